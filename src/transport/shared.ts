import { EarshotError } from "../errors.js";
import { AT_ONCE, LOOK, OVER, READABLE } from "../native/binding.js";
import { Bell } from "./bell.js";
import type { Credentials } from "./credentials.js";
import type { Pollable, Poller } from "./poller.js";
import { RingInput } from "./ring-input.js";
import { RingLook } from "./ring-look.js";
import { RingOutput } from "./ring-output.js";
import type { Runner } from "./run.js";
import type { Link } from "./shared-memory.js";
import type { Transport, TransportEvents } from "./transport.js";
import type { UnixTransport } from "./unix.js";

/**
 * The shared-memory transport: two rings, and the socket that they were agreed on. Bytes go through rings; a bell, a socket of its
 * own, wakes who sleeps; descriptors go over the socket, which also tells when the other side is gone. Each direction changes
 * from the socket to its ring, and back, at a byte that both sides know.
 */
export class SharedTransport implements Transport, TransportEvents, Pollable, Runner {
  readonly carriesDescriptors = true;
  readonly #poller: Poller;
  readonly #socket: UnixTransport;
  readonly #link: Link;
  readonly #bell: Bell;
  readonly #in: RingInput;
  readonly #out: RingOutput;
  readonly #look: RingLook;
  #events: TransportEvents | undefined;
  /** By which way each direction goes. */
  #input: "socket" | "ring" | "ended" = "socket";
  #output: "socket" | "ring" = "socket";
  /** `released`: the socket is somebody else's again. */
  #life: "open" | "closed" | "released" = "open";
  #isPaused: boolean;
  #isPeerGone = false;
  #isBellGone = false;
  #error: EarshotError | undefined;

  /**
   * @param socket what it has to tell is told to this from now on
   * @param link this object's to release
   * @param spinUs as for `UnixTransport`
   */
  constructor(poller: Poller, socket: UnixTransport, link: Link, spinUs: number) {
    this.#poller = poller;
    this.#socket = socket;
    this.#link = link;
    this.#isPaused = socket.isPaused;
    this.#bell = new Bell(poller.native, link.bell);
    this.#look = new RingLook(poller, spinUs, this.#bell, this);
    this.#in = new RingInput(link, this.#bell, socket);
    this.#out = new RingOutput(link, this.#bell, socket, spinUs > 0);
    poller.watch(link.bell, this, READABLE);
    poller.native.lookAt(link.bell, ...link.words);
  }

  get isPeerGone(): boolean {
    return this.#socket.isPeerGone;
  }

  get credentials(): Credentials | undefined {
    return this.#socket.credentials;
  }

  /** Whether the other side has begun to read the ring that this side writes. */
  get hasReader(): boolean {
    return this.#life === "open" && this.#out.hasReader;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#socket.start(this);
    this.#lookSoon();
  }

  /** What is written from now on goes through the ring; what waits for the socket still goes there, before. */
  writeToRing(): void {
    this.#output = "ring";
  }

  /** What the other side wrote to the socket is all read; the next bytes are in the ring. */
  readFromRing(): void {
    this.#input = "ring";
    this.#socket.lend(this);
    this.#in.begin();
    this.#lookSoon();
  }

  writeToSocket(): void {
    this.#output = "socket";
  }

  readFromSocket(): void {
    this.#input = "socket";
    // It may only have ended its direction, behind what it has written to the socket: reading that tells.
    this.#isPeerGone = false;
    this.#socket.lend(undefined);
  }

  /**
   * Gives the rings back when both directions go over the socket again, and nothing waits for a ring.
   *
   * @returns the socket, which tells `events` from now on; `undefined` if it is too early
   */
  release(events: TransportEvents): Transport | undefined {
    if (this.#life !== "open" || this.#input !== "socket" || this.#output !== "socket") return undefined;
    if (this.#out.isWaiting) return undefined;
    this.#life = "released";
    this.#poller.close(this.#bell.fd);
    this.#link.release();
    this.#socket.start(events);
    return this.#socket;
  }

  write(chunks: readonly Uint8Array[], descriptors?: readonly number[]): boolean {
    if (this.#output === "socket") return this.#socket.write(chunks, descriptors);
    if (this.#life === "open" && this.#isPeerGone && this.#error === undefined) this.#failWriting();
    if (this.#life !== "open" || !this.#out.isOpen || this.#error !== undefined) {
      if (descriptors !== undefined) this.#socket.closeDescriptors(descriptors);
      return true;
    }
    try {
      return this.#out.write(chunks, descriptors);
    } catch (error) {
      this.fail(error);
      return true;
    }
  }

  end(): void {
    if (this.#output === "socket") this.#socket.end();
    else if (this.#life === "open") {
      this.#out.end();
      this.#closeIfEnded();
    }
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
    this.#lookSoon();
  }

  close(): void {
    if (this.#life !== "open") return;
    this.#life = "closed";
    this.#in.drop();
    this.#out.drop();
    this.#socket.close();
    // After the socket: who finds the bell gone looks there why.
    this.#poller.close(this.#bell.fd);
  }

  // What the socket tells.

  readInto(): Buffer | undefined {
    return this.#events?.readInto();
  }

  onBytes(bytes: Buffer, descriptors?: readonly number[]): void {
    this.#events?.onBytes(bytes, descriptors);
  }

  onEnd(): void {
    this.#events?.onEnd();
  }

  onDrain(): void {
    if (!this.#out.announced()) {
      this.#events?.onDrain();
      return;
    }
    try {
      this.#goOn();
    } catch (error) {
      this.fail(error);
    }
  }

  onClose(error?: EarshotError): void {
    if (this.#life === "open") this.close();
    // Not sooner: what was handed over last may still be looked at.
    this.#link.release();
    this.#events?.onClose(this.#error ?? error);
  }

  /** The other side is gone; what it has left in the ring is still to be read. */
  onHangUp(): void {
    this.#isPeerGone = true;
    if (this.#out.isWaiting) this.#failWriting();
    this.#lookSoon();
  }

  // What the bell tells, and who looks at the ring.

  onReady(events: number, idleUs: number): number {
    try {
      if ((events & (LOOK | OVER)) === 0 && !this.#bell.hear()) this.#onBellGone();
      this.#goOn();
      if (this.#readPiece()) return AT_ONCE;
      // Whoever closes it has left, or is gone, and has said so in the ring or by the socket.
      if (this.#isBellGone && this.#isReading() && !this.#isPeerGone) this.onHangUp();
      const lookUs = this.#isReading() ? this.#look.next(events, idleUs) : 0;
      if (lookUs > 0) this.#in.stayAwake();
      return lookUs > 0 || !this.#isReading() || this.#in.sleep() ? lookUs : AT_ONCE;
    } catch (error) {
      this.fail(error);
      return 0;
    }
  }

  // What a run asks for.

  get microtasksSince(): number | undefined {
    return this.#look.microtasksSince;
  }

  get hasNews(): boolean {
    return this.#isReading() && this.#in.mayHaveMore;
  }

  take(): boolean {
    this.#look.found();
    this.#goOn();
    this.#readPiece();
    return this.#isReading();
  }

  endTurn(): void {
    this.#events?.onTurn?.();
  }

  #isReading(): boolean {
    return this.#life === "open" && this.#input === "ring" && !this.#isPaused && this.#events !== undefined;
  }

  #lookSoon(): void {
    if (this.#isReading()) this.#poller.native.lookSoon(this.#bell.fd, 0);
  }

  /** Hands over what there is, up to a piece; returns true when there is more. */
  #readPiece(): boolean {
    if (!this.#isReading()) return false;
    const piece = this.#in.read(this.#events?.readInto());
    if (piece !== undefined) this.#events?.onBytes(piece, this.#in.descriptors);
    if (!this.#isReading()) return false;
    if (!this.#in.isEmpty) return true;
    if ((this.#in.hasEnded || this.#isPeerGone) && this.#in.isEmpty) this.#endInput();
    return false;
  }

  #onBellGone(): void {
    this.#isBellGone = true;
    this.#poller.watch(this.#bell.fd, this, 0);
  }

  #endInput(): void {
    this.#input = "ended";
    // What the other side has not read is lost if it is gone: no regular end.
    if (this.#isPeerGone && !this.#out.hasEnded && this.#out.hasUnread) this.#failWriting();
    if (this.#error === undefined) this.#events?.onEnd();
    if (this.#error !== undefined) this.close();
    else this.#closeIfEnded();
  }

  /** Writes what waits. */
  #goOn(): void {
    if (this.#life !== "open" || !this.#out.isWaiting || !this.#out.goOn()) return;
    this.#closeIfEnded();
    this.#events?.onDrain();
  }

  /** Nobody reads any more. What the other side had sent before is worth reading, and may tell why. */
  #failWriting(): void {
    const fact = "the other side closed the connection before it had read everything";
    this.#error ??= new EarshotError("CONNECTION_LOST", fact);
    this.#out.drop();
    if (!this.#isReading()) this.close();
  }

  #closeIfEnded(): void {
    if (this.#input === "ended" && this.#out.hasEnded) this.close();
  }

  /** Ends it, unless what was thrown is none of its business. */
  fail(error: unknown): void {
    if (!(error instanceof EarshotError)) {
      // A process that survives this goes on, and the writer takes this side for awake.
      this.#lookSoon();
      throw error;
    }
    this.#error ??= error;
    this.close();
  }
}
