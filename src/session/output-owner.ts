import type { FrameType } from "../wire/frame.js";
import type { FramedMemory } from "./framed-options.js";
import type { Outgoing } from "./session.js";

/** Who numbers the outgoing messages and wants to know when they are out. */
export interface OutputOwner<T extends Outgoing> {
  readonly type: typeof FrameType.OPEN | typeof FrameType.DATA;
  /** Called just before its first frame is written, so that numbers rise on the wire; returns the exchange. */
  begin(item: T): number;
  /** Its last frame was handed to the transport. */
  flushed(item: T): void;
  now(): number;
}

/** Where frames go. */
export interface Writer {
  /** As `Transport.write`. */
  write(chunks: readonly Uint8Array[], descriptors?: readonly number[]): boolean;
}

/** What it has to know of the connection. */
export type OutputMemory = Pick<FramedMemory, "loans" | "peerWindowBytes">;
