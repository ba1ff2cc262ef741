export { type Delivery, EarshotError, type ErrorCode, type Operation } from "./errors.js";
export { Message } from "./message.js";
export { Client, type DialOptions, dial, type Pong } from "./peer/client.js";
export { Context, type Peer } from "./peer/context.js";
export type { App, CloseOptions, Logger } from "./peer/options.js";
export type { WaitOptions } from "./peer/pending.js";
export { type Handler, type ListenOptions, listen, type Reply, Server } from "./peer/server.js";
export { bindSocketFile, type SocketFile, type SocketFileOptions } from "./transport/socket-file.js";
export type { AppInfo } from "./wire/hello.js";
