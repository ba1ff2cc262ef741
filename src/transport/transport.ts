import type { EarshotError } from "../errors.js";

/**
 * Moves bytes between two ends; knows no message. One suite, `test/transport/suite.ts`, holds every kind to this:
 *
 * - Nothing is delivered before `start`, and nothing after `onClose`.
 * - Bytes arrive complete and in order, in pieces of any size; `onEnd` comes after the last of them, at most once.
 * - `onClose` comes exactly once and last, whoever closed; with an error if bytes may have been lost.
 */
export interface Transport {
  /** Begins delivery; called once. */
  start(events: TransportEvents): void;
  /**
   * Takes the bytes, all of them, in one system call where it can. They must stay unchanged until they are out.
   *
   * @returns `true` when they are out: the caller may reuse its buffers and write more. `false` when some wait inside:
   * the caller should stop until `onDrain`, and must leave its buffers alone until then.
   */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Half-close: after what was written, the other side sees the end of input. Reading goes on. */
  end(): void;
  /** No more `onBytes` or `onEnd` until `resume`; what is already on its way may still come once. */
  pause(): void;
  resume(): void;
  /** Closes both directions at once; what still waits inside is dropped. */
  close(): void;
}

export interface TransportEvents {
  /**
   * Where the next bytes may be read to straight, because it is known where they belong; they are handed to `onBytes` all
   * the same. Asked after each `onBytes`, for the next read only. `undefined`: anywhere.
   */
  readInto(): Buffer | undefined;
  /** The bytes are borrowed: they are overwritten after this call returns. */
  onBytes(bytes: Buffer): void;
  /** The other side will send no more. */
  onEnd(): void;
  /** Everything that `write` kept waiting is out. */
  onDrain(): void;
  onClose(error?: EarshotError): void;
}

/** Accepts transports at one address. */
export interface Listener {
  /** The address in its `unix:` form, with the path that was taken. */
  readonly address: string;
  /**
   * Takes no more connections, gives the path back if it is still ours, and resolves when nothing of it is left.
   * Connections that the kernel had already completed are still handed over first.
   */
  close(): Promise<void>;
}
