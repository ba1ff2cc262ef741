import type { Descriptor } from "../message.js";
import type { Retry } from "./client-state.js";
import type { MetaOptions } from "./meta.js";
import type { WaitOptions } from "./pending.js";

/** For one message. All of them may be left out. */
export interface SendOptions extends WaitOptions, MetaOptions {
  /**
   * What becomes of it without a connection, or when that is lost; default: what `dial` was given. A message that is an
   * iterable or a stream cannot be sent twice: it waits for a connection, and once its first chunk was asked for, it fails
   * with what happens to that. A loan is copied first: what may be sent again has to be there still.
   */
  readonly retry?: Retry | undefined;
  /**
   * Open files that the handler gets with the message: numbers, or what came with another message. They are duplicated at
   * once and stay the caller's, to be closed at any time. Only between two sides that have the native addon.
   */
  readonly descriptors?: readonly (number | Descriptor)[] | undefined;
  /**
   * How the reply is wanted: whole. `"borrowed"`: a large one stays where it was written, if that is memory of both sides, until it is
   * disposed of: `using reply = await client.send(...)`. See `StreamSendOptions` for replies that come bit by bit.
   */
  readonly body?: "message" | "borrowed" | undefined;
}

/** For replies that are read as they come. */
export interface StreamSendOptions extends Omit<SendOptions, "body"> {
  /** The reply may have any size: `maxMessageBytes` does not apply, and the server is held back to what is read of it. */
  readonly body: "stream";
}

/** For an exchange whose message is written bit by bit. */
export interface OpenOptions extends WaitOptions {
  /**
   * Unless it is `false`, it waits for a connection where there is none; default: what `dial` was given. What was written once
   * is not sent again.
   */
  readonly retry?: Retry | undefined;
}
