import type { OutgoingStream } from "../session/outgoing-stream.js";
import type { Exchange } from "../session/session.js";
import type { Transport } from "../transport/transport.js";
import type { FailureName } from "../wire/failure.js";
import type { LoanLane } from "./connection-slabs.js";

/** Where a message came from and its answer goes: a connection, or who looks at answers on their way to one. */
export interface AnswerPath {
  readonly id: number;
  readonly wire: "framed" | "plain" | undefined;
  readonly transport: Pick<Transport, "credentials">;
  /** Where answers may be lent. */
  readonly lane: LoanLane | undefined;
  /** @param descriptors from now on the path's */
  reply(exchange: Exchange, body: string | Uint8Array, descriptors: readonly number[]): void;
  /** @param descriptors from now on the path's */
  replyStream(exchange: Exchange, outgoing: OutgoingStream, descriptors: readonly number[]): void;
  endReply(exchange: Exchange): void;
  fail(exchange: Exchange, code: FailureName, text: string, remoteCode?: string): void;
  /** Nobody wants them. */
  closeDescriptors(descriptors: readonly number[]): void;
}
