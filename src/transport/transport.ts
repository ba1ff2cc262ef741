import type { EarshotError } from "../errors.js";
import type { Credentials } from "./credentials.js";
import type { FileIdentity } from "./socket-at.js";

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
   * @param descriptors open files that the other side gets with the first of these bytes, 253 at most: taken over, and
   * closed here when they are on their way or never will be. Only where `carriesDescriptors`.
   */
  write(chunks: readonly Uint8Array[], descriptors?: readonly number[]): boolean;
  /** Half-close: after what was written, the other side sees the end of input. Reading goes on. */
  end(): void;
  /** No more `onBytes` or `onEnd` until `resume`; what is already on its way may still come once. */
  pause(): void;
  resume(): void;
  /** Closes both directions at once; what still waits inside is dropped. */
  close(): void;
  /** Whether the other side has closed, told or not; `false` where that is not known before it is told. */
  readonly isPeerGone: boolean;
  readonly carriesDescriptors: boolean;
  /**
   * While it goes on in microtasks, so that the turn is not over for long: since when, in milliseconds of `performance.now()`.
   * Meanwhile it tells `onTurn` before it hands over any more.
   */
  readonly microtasksSince?: number | undefined;
  /** Who is at the other end; `undefined` where that cannot be known. Asks the kernel each time. */
  readonly credentials: Credentials | undefined;
  /** Whether that is a process of this one's user. Asks the kernel each time. */
  readonly isSameUser?: boolean;
}

export interface TransportEvents {
  /**
   * Where the next bytes may be read to straight, because it is known where they belong; they are handed to `onBytes` all
   * the same. Asked after each `onBytes`, for the next read only. `undefined`: anywhere.
   */
  readInto(): Buffer | undefined;
  /**
   * The bytes are borrowed: they are overwritten after this call returns.
   *
   * @param descriptors open files that came with them, from now on the receiver's to close with `closeDescriptor`
   */
  onBytes(bytes: Buffer, descriptors?: readonly number[]): void;
  /** The other side will send no more. */
  onEnd(): void;
  /** Everything that `write` kept waiting is out. */
  onDrain(): void;
  onClose(error?: EarshotError): void;
  /** A turn is over, or as good as over: what waits for that is to be written now. */
  onTurn?(): void;
}

/** What another process needs to go on in this one's place. */
export interface Estate {
  /** The listening socket. */
  readonly fd: number;
  /** Its file, if it is this server's to remove. */
  readonly file: Pick<FileIdentity, "dev" | "ino"> | undefined;
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
  /**
   * The same, unless somebody comes: takes the name away, hears whom the kernel has let in by then, and puts it back if there
   * is anybody. Only where nobody else has the socket.
   *
   * @returns whether it has left; those who came in the last instant, or whose server's name has become another's
   * meanwhile, have been handed over all the same
   */
  leaveIfUnused(): Promise<boolean>;
  /** `undefined` where nobody else can have the socket. */
  readonly estate: Estate | undefined;
  /** Takes no more connections, and leaves the path and those in the queue to whom the estate was given. */
  abandon(): void;
}
