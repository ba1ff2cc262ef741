/**
 * Messages between programs on one machine, over Unix domain sockets: {@link listen} and {@link dial}, and what belongs to
 * them.
 *
 * @module earshot
 */
export {
  type Delivery,
  EarshotError,
  type ErrorCode,
  type ErrorDetails,
  type Issue,
  type Operation,
} from "./errors.js";
export { type Descriptor, Message } from "./message.js";
export type { OverloadOptions } from "./peer/admission.js";
export { type Allow, anyUser, groups, sameUser, users } from "./peer/allow.js";
export type { BroadcastOptions } from "./peer/broadcast-options.js";
export type { Chunks } from "./peer/chunks.js";
export { Client, type Pong } from "./peer/client.js";
export type { ClientState, Closed, Connecting, Open, ReconnectOptions, Retry, Waiting } from "./peer/client-state.js";
export { Context, type Peer } from "./peer/context.js";
export type { DeduplicateOptions, Deduplicator, Recorded } from "./peer/deduplication.js";
export { type DialOptions, dial } from "./peer/dial.js";
export type { Duplex } from "./peer/duplex.js";
export { type Answer, type Examination, type ExamineOptions, examine } from "./peer/examine.js";
export type { FullReply, Handler, Reply, StreamHandler } from "./peer/handler.js";
export type { ListenOptions, StreamListenOptions } from "./peer/listen-options.js";
export type { Loan } from "./peer/loan.js";
export type { MetaOptions } from "./peer/meta.js";
export type { App, CloseOptions, Logger, Spin, SpinLimit } from "./peer/options.js";
export type { WaitOptions } from "./peer/pending.js";
export type { OpenOptions, SendOptions, StreamSendOptions } from "./peer/send-options.js";
export { listen, Server } from "./peer/server.js";
export type { SharedOptions } from "./peer/shared-options.js";
export type { StartOptions } from "./peer/start-options.js";
export { StreamedMessage } from "./peer/streamed-message.js";
export type { SlowPolicy } from "./peer/subscriber.js";
export { type SubscribeOptions, Subscription } from "./peer/subscription.js";
export { TopicMessage } from "./peer/topic-reader.js";
export type { Credentials } from "./transport/credentials.js";
export type { AddressState, Finding, ServerFacts, SocketExamination, SocketPath } from "./transport/examine.js";
export type { DirectoryFacts, FileFacts } from "./transport/place.js";
export type { ProcessFacts } from "./transport/process.js";
export { bindSocketFile, type SocketFile, type SocketFileOptions } from "./transport/socket-file.js";
export type { SystemFacts } from "./transport/system.js";
export type { AppInfo } from "./wire/hello.js";
export type { Headers } from "./wire/meta.js";
