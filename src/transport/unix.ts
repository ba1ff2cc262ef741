import { type EarshotError, systemFact } from "../errors.js";
import { AT_ONCE, DISCONNECT, OVER, READABLE, WOULD_BLOCK, WRITABLE } from "../native/binding.js";
import { type Credentials, credentialsOf, isSameUser } from "./credentials.js";
import { type Pollable, type Poller, READ_BYTES } from "./poller.js";
import { skip } from "./skip.js";
import { Spin } from "./spin.js";
import type { Transport, TransportEvents } from "./transport.js";

/** A socket on which a write of this size has to wait gets a larger buffer: the two sides take turns less often. */
const LARGE_BYTES = 65_536;
const LARGE_BUFFER_BYTES = 1_048_576;

const NOTHING: readonly Uint8Array[] = [];

/** Who reads by another way, and has to know when the other side is gone. */
export interface Borrower {
  onHangUp(): void;
}

/** The native transport: a Unix socket whose system calls are our own. */
export class UnixTransport implements Transport, Pollable {
  readonly carriesDescriptors = true;
  readonly #poller: Poller;
  readonly #fd: number;
  #events: TransportEvents | undefined;
  /** What is watched for, so that only changes are told to the kernel. */
  #watched = 0;
  #waiting: readonly Uint8Array[] = NOTHING;
  /** Leave with the first byte of what waits. */
  #waitingDescriptors: readonly number[] | undefined;
  #output: "open" | "ending" | "ended" = "open";
  #hasLargeBuffer = false;
  readonly spinUs: number;
  readonly #spin: Spin;
  /**
   * What came into the small buffer in this turn. Where so many small messages are under way, more of them gather while
   * the thread goes through its event loop, which is better than fewer at once.
   */
  #smallBytes = 0;
  #speaksFirst: boolean;
  #hasEnded = false;
  #isPaused = false;
  /** Whoever reads by another way: then nothing is read here unless it asks. */
  #borrower: Borrower | undefined;
  #isHungUp = false;
  #isClosed = false;
  #error: EarshotError | undefined;

  /**
   * @param fd connected; from now on this object's to close
   * @param spinUs how long to look for an answer before the thread sleeps; see `Spin`
   * @param speaksFirst whether this side does; see `FirstLook`
   */
  constructor(poller: Poller, fd: number, spinUs: number, speaksFirst = false) {
    this.#poller = poller;
    this.#fd = fd;
    this.spinUs = spinUs;
    this.#spin = new Spin(poller.spinBudget, spinUs, now);
    this.#speaksFirst = speaksFirst;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isPeerGone(): boolean {
    return this.#isClosed || this.#poller.native.isHungUp(this.#fd);
  }

  get credentials(): Credentials | undefined {
    return this.#isClosed ? undefined : credentialsOf(this.#poller.native, this.#fd);
  }

  get isSameUser(): boolean {
    return !this.#isClosed && isSameUser(this.#poller.native, this.#fd);
  }

  /** May be called again: from then on these are told. */
  start(events: TransportEvents): void {
    this.#events = events;
    this.#sync();
  }

  /** Reads nothing any more, but tells `borrower` when the other side is gone; `undefined` to go on as before. */
  lend(borrower: Borrower | undefined): void {
    this.#borrower = borrower;
    this.#sync();
  }

  /** For a borrower: so many bytes that were sent with descriptors, which are the caller's; `undefined` if they are not there. */
  readRecord(into: Buffer): readonly number[] | undefined {
    const { native } = this.#poller;
    let count = WOULD_BLOCK;
    try {
      if (!this.#isClosed) count = native.read(this.#fd, into);
    } catch (error) {
      throw systemFact(error);
    }
    if (count >= WOULD_BLOCK) return undefined;
    const descriptors = native.takeDescriptors();
    if (WOULD_BLOCK - count === into.length) return descriptors;
    this.closeDescriptors(descriptors);
    return undefined;
  }

  write(chunks: readonly Uint8Array[], descriptors?: readonly number[]): boolean {
    if (this.#isClosed || this.#output !== "open" || this.#error !== undefined) {
      this.closeDescriptors(descriptors);
      return true;
    }
    if (this.#waiting.length === 0) return this.#writeOut(chunks, descriptors);
    this.#waiting = [...this.#waiting, ...chunks];
    return false;
  }

  end(): void {
    if (this.#isClosed || this.#output !== "open") return;
    this.#output = "ending";
    this.#endOutput();
  }

  pause(): void {
    this.#isPaused = true;
    this.#sync();
  }

  resume(): void {
    this.#isPaused = false;
    this.#sync();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#poller.firstLook.end(this, true);
    this.#waiting = NOTHING;
    this.closeDescriptors(this.#waitingDescriptors);
    this.#poller.close(this.#fd);
    process.nextTick(tellClosed, this);
  }

  onReady(events: number, idleUs: number, count: number): number {
    this.#poller.firstLook.end(this, events !== OVER);
    if (events === OVER) return 0;
    // After an error nothing is watched any more; a read or a write tells which it was.
    if (events === 0) this.#watched = 0;
    if (events !== READABLE) this.#onOther(events);
    const more = count !== WOULD_BLOCK ? this.#take(count) : events !== WRITABLE && this.#isReading() && this.#read();
    this.#sync();
    if (more) return AT_ONCE;
    const isCrowded = this.#smallBytes >= READ_BYTES;
    this.#smallBytes = 0;
    return isCrowded ? 0 : this.#spin.next(idleUs);
  }

  #onOther(events: number): void {
    if (this.#waiting.length > 0) this.#goOn();
    if (this.#borrower !== undefined && (events === 0 || (events & DISCONNECT) !== 0)) this.#hangUp(this.#borrower);
  }

  #hangUp(borrower: Borrower): void {
    this.#isHungUp = true;
    this.#sync();
    borrower.onHangUp();
  }

  /** @internal */
  tellClosed(): void {
    this.#events?.onClose(this.#error);
  }

  #isReading(): boolean {
    const isOpen = !this.#hasEnded && !this.#isClosed && this.#events !== undefined;
    return isOpen && !this.#isPaused && this.#borrower === undefined;
  }

  #sync(): void {
    if (this.#isClosed) return;
    const lent = this.#borrower !== undefined && !this.#isHungUp ? DISCONNECT : 0;
    const wanted = (this.#isReading() ? READABLE : 0) | (this.#waiting.length > 0 ? WRITABLE : 0) | lent;
    if (wanted === this.#watched) return;
    this.#watched = wanted;
    this.#poller.watch(this.#fd, this, wanted);
  }

  /** Reads once; returns true when there may be more at once. */
  #read(): boolean {
    const { native, buffer } = this.#poller;
    const into = this.#events?.readInto();
    let count: number;
    try {
      count = into === undefined ? native.read(this.#fd, buffer) : native.read(this.#fd, into, buffer);
    } catch (error) {
      this.#error ??= systemFact(error);
      this.close();
      return false;
    }
    return count !== WOULD_BLOCK && this.#take(count, into);
  }

  /**
   * Hands on what was read.
   *
   * @param into where it went first, before the buffer
   */
  #take(read: number, into?: Buffer): boolean {
    const { native, buffer } = this.#poller;
    const descriptors = read < WOULD_BLOCK ? native.takeDescriptors() : undefined;
    const count = read < WOULD_BLOCK ? WOULD_BLOCK - read : read;
    if (count === 0) {
      this.#hasEnded = true;
      // Not a regular end for one that was written to in vain.
      if (this.#error === undefined) this.#events?.onEnd();
      if (this.#error !== undefined) this.close();
      else this.#closeIfEnded();
      return false;
    }
    const intoBytes = Math.min(count, into?.length ?? 0);
    const isFull = count === buffer.length + (into?.length ?? 0);
    const rest = this.#poller.read(count - intoBytes);
    this.#smallBytes = into === undefined ? this.#smallBytes + count : 0;
    if (into !== undefined)
      this.#events?.onBytes(into.subarray(0, intoBytes), rest.length > 0 ? undefined : descriptors);
    if (rest.length > 0 && !this.#isClosed) this.#events?.onBytes(rest, descriptors);
    // The kernel stops at descriptors, even if there is more behind them.
    return isFull || descriptors !== undefined;
  }

  /** Returns true when all is out. */
  #writeOut(chunks: readonly Uint8Array[], descriptors: readonly number[] | undefined): boolean {
    const one = chunks.length === 1 ? chunks[0] : undefined;
    let total = 0;
    for (const chunk of chunks) total += chunk.length;
    let count = 0;
    try {
      if (total > 0) count = this.#poller.native.write(this.#fd, one ?? chunks, descriptors);
    } catch (error) {
      this.#failWriting(error, descriptors);
      return true;
    }
    if (count > 0) this.closeDescriptors(descriptors);
    // Of one that is not read nothing is looked for.
    if (this.#speaksFirst && this.#watched !== 0) this.#poller.firstLook.begin(this, this.#fd, this.spinUs);
    this.#speaksFirst = false;
    if (count === total) return true;
    if (total >= LARGE_BYTES && !this.#hasLargeBuffer) {
      this.#hasLargeBuffer = true;
      this.#poller.native.setSendBuffer(this.#fd, LARGE_BUFFER_BYTES);
    }
    this.#waitingDescriptors = count > 0 ? undefined : descriptors;
    this.#waiting = count > 0 ? skip(chunks, count) : chunks;
    this.#sync();
    return false;
  }

  /** Writes what waits. */
  #goOn(): void {
    const chunks = this.#waiting;
    this.#waiting = NOTHING;
    if (!this.#writeOut(chunks, this.#waitingDescriptors) || this.#isClosed || this.#error !== undefined) return;
    this.#waitingDescriptors = undefined;
    this.#endOutput();
    this.#events?.onDrain();
  }

  /** Nobody reads any more. What the other side had sent before is worth reading, and may tell why. */
  #failWriting(error: unknown, descriptors: readonly number[] | undefined): void {
    this.#error ??= systemFact(error);
    this.#waiting = NOTHING;
    this.#waitingDescriptors = undefined;
    this.closeDescriptors(descriptors);
    if (this.#borrower !== undefined) this.#hangUp(this.#borrower);
    else if (!this.#isReading()) this.close();
  }

  #endOutput(): void {
    if (this.#output !== "ending" || this.#waiting.length > 0) return;
    this.#output = "ended";
    try {
      this.#poller.native.shutdown(this.#fd);
    } catch {
      // The other side is gone already; reading tells.
    }
    this.#closeIfEnded();
  }

  #closeIfEnded(): void {
    if (this.#hasEnded && this.#output === "ended") this.close();
  }

  closeDescriptors(descriptors: readonly number[] | undefined): void {
    for (const descriptor of descriptors ?? []) this.#poller.native.close(descriptor);
  }
}

const now = () => performance.now();

function tellClosed(transport: UnixTransport): void {
  transport.tellClosed();
}
