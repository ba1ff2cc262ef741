import type { Descriptor, Message } from "../message.js";
import type { Chunks } from "./chunks.js";
import type { Context } from "./context.js";
import type { Loan } from "./loan.js";
import type { StreamedMessage } from "./streamed-message.js";

/** A reply with open files. */
export interface FullReply {
  /** The reply itself; `""` for an empty one. */
  readonly data: string | Uint8Array | Chunks | Loan;
  /** Numbers, or what came with a message. They are duplicated when the handler settles, and stay the handler's. */
  readonly descriptors?: readonly (number | Descriptor)[] | undefined;
}

/**
 * A reply; nothing at all is an empty one. Bytes must stay unchanged until they are out. An async iterable (so also what an
 * `async function*` returns) or a web stream is sent bit by bit, as fast as the caller takes it; its end is the
 * acknowledgement. A loan, from `context.loan`, is not copied.
 */
export type Reply = string | Uint8Array | Chunks | Loan | FullReply | undefined;

/**
 * Called once for each message, many at a time. Returning is the acknowledgement, and what it returns is the reply;
 * throwing makes the caller's `send` reject with `HANDLER_FAILED` and the error's message and `code`, never its stack.
 */
export type Handler = (message: Message, context: Context) => Reply | undefined | Promise<Reply | undefined>;

/** The same for `body: "stream"`: called when the first bytes of a message have come. */
export type StreamHandler = (
  message: StreamedMessage,
  context: Context,
) => Reply | undefined | Promise<Reply | undefined>;
