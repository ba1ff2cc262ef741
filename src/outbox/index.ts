/**
 * Messages that are kept on disk until they are acknowledged: {@link openOutbox} for who sends, {@link inbox} for who
 * receives. They need the package `lmdb`.
 *
 * @module earshot/outbox
 */
export type { Deduplicator, Recorded } from "../peer/deduplication.js";
export type { Counts } from "./counts.js";
export type { Away, Delivered, Died, Listener, OutboxEvents, Retried, Trouble } from "./events.js";
export type { Reason } from "./failure.js";
export { type Inbox, type InboxOptions, inbox } from "./inbox.js";
export { type DeadLetter, DeadLetters, type LastError, type OutboxMessage } from "./letters.js";
export { openOutbox } from "./open.js";
export type { OutboxOptions, PostOnlyOptions, PostOptions, RetryOptions } from "./options.js";
export { Outbox, type OutboxStats, type Posted } from "./outbox.js";
