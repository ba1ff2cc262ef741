import { EarshotError, systemFact } from "../errors.js";
import { READABLE } from "../native/binding.js";
import type { Credentials } from "./credentials.js";
import type { Pollable, Poller } from "./poller.js";
import { type Link, READ_BYTES } from "./shared-memory.js";
import type { Transport, TransportEvents } from "./transport.js";
import type { UnixTransport } from "./unix.js";
import { violation } from "./violation.js";

const NOTHING: readonly Uint8Array[] = [];
/** What is sent to wake the other side; it says nothing but that it is there. */
const LOOK = [Uint8Array.of(0)];
/** How many pieces are handed over before others have their turn. */
const MAX_PIECES = 32;
/** With descriptors, over the socket: the position, u32 LE, of the first byte that they belong to. */
const POSITION_BYTES = 4;

/** Descriptors, and the position of the byte that they belong to. */
interface Arrival {
  readonly position: number;
  readonly descriptors: readonly number[];
}

/** By which of the two a direction goes. */
type Way = "socket" | "ring";

/**
 * The shared-memory transport: two rings, and the socket that they were agreed on. Bytes go through rings; a bell, a socket of its
 * own, wakes who sleeps; descriptors go over the socket, which also tells when the other side is gone. Each direction changes
 * from the socket to its ring, and back, at a byte that both sides know.
 */
export class SharedTransport implements Transport, TransportEvents, Pollable {
  readonly carriesDescriptors = true;
  readonly #poller: Poller;
  readonly #socket: UnixTransport;
  readonly #link: Link;
  readonly #record = Buffer.alloc(POSITION_BYTES);
  #events: TransportEvents | undefined;
  #input: Way = "socket";
  #output: Way = "socket";
  #inputEnd: "open" | "ended" = "open";
  #outputEnd: "open" | "ending" | "ended" = "open";
  /** `released`: the socket is somebody else's again. */
  #life: "open" | "closed" | "released" = "open";
  #isPaused: boolean;
  #isPeerGone = false;
  #isScheduled = false;
  #waiting: readonly Uint8Array[] = NOTHING;
  /** Of the first byte that waits. */
  #waitingDescriptors: readonly number[] | undefined;
  /** What waits, waits for the socket to take its descriptors. */
  #isAnnouncing = false;
  /** Descriptors that came, and where in the stream they belong. */
  #arrived: Arrival | undefined;
  #arrivals = 0;
  #view: Buffer | undefined;
  #error: EarshotError | undefined;

  /**
   * @param socket what it has to tell is told to this from now on
   * @param link this object's to release
   */
  constructor(poller: Poller, socket: UnixTransport, link: Link) {
    this.#poller = poller;
    this.#socket = socket;
    this.#link = link;
    this.#isPaused = socket.isPaused;
    poller.watch(link.bell, this, READABLE);
  }

  get isPeerGone(): boolean {
    return this.#socket.isPeerGone;
  }

  get credentials(): Credentials | undefined {
    return this.#socket.credentials;
  }

  /** Whether the other side has begun to read the ring that this side writes. */
  get hasReader(): boolean {
    return this.#life === "open" && this.#link.writer.hasReader;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#socket.start(this);
    if (this.#input === "ring") this.#schedule();
  }

  /** What is written from now on goes through the ring; what waits for the socket still goes there, before. */
  writeToRing(): void {
    this.#output = "ring";
  }

  /** What the other side wrote to the socket is all read; the next bytes are in the ring. */
  readFromRing(): void {
    this.#input = "ring";
    this.#socket.lend(this);
    if (this.#link.reader.begin()) this.#wake(this.#link.bell);
    this.#schedule();
  }

  writeToSocket(): void {
    this.#output = "socket";
  }

  readFromSocket(): void {
    this.#input = "socket";
    this.#socket.lend(undefined);
  }

  /**
   * Gives the rings back when both directions go over the socket again, and nothing waits for a ring.
   *
   * @returns the socket, which tells `events` from now on; `undefined` if it is too early
   */
  release(events: TransportEvents): Transport | undefined {
    if (this.#life !== "open" || this.#input === "ring" || this.#output === "ring") return undefined;
    if (this.#waiting.length > 0) return undefined;
    this.#life = "released";
    this.#letGo();
    this.#socket.start(events);
    return this.#socket;
  }

  write(chunks: readonly Uint8Array[], descriptors?: readonly number[]): boolean {
    if (this.#output === "socket" && this.#waiting.length === 0) return this.#socket.write(chunks, descriptors);
    if (this.#life !== "open" || this.#outputEnd !== "open" || this.#error !== undefined) {
      this.#closeDescriptors(descriptors);
      return true;
    }
    if (this.#waiting.length > 0) {
      this.#waiting = [...this.#waiting, ...chunks];
      return false;
    }
    try {
      return this.#announce(chunks, descriptors) && this.#put(chunks);
    } catch (error) {
      this.#fail(error);
      return true;
    }
  }

  end(): void {
    if (this.#output === "socket") {
      this.#socket.end();
      return;
    }
    if (this.#life !== "open" || this.#outputEnd !== "open") return;
    this.#outputEnd = "ending";
    this.#endOutput();
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
    if (this.#input === "ring") this.#schedule();
  }

  close(): void {
    if (this.#life !== "open") return;
    this.#life = "closed";
    this.#waiting = NOTHING;
    this.#closeDescriptors(this.#waitingDescriptors);
    this.#closeDescriptors(this.#arrived?.descriptors);
    this.#socket.close();
    // After the socket: who finds the bell gone looks there why.
    this.#poller.close(this.#link.bell);
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
    if (!this.#isAnnouncing) this.#events?.onDrain();
    else {
      this.#isAnnouncing = false;
      this.#link.writer.announceDescriptors();
      this.#goOn();
    }
  }

  onClose(error?: EarshotError): void {
    if (this.#life === "open") this.close();
    // Not sooner: what was handed over last may still be looked at.
    this.#letGo();
    this.#events?.onClose(this.#error ?? error);
  }

  /** The other side is gone; what it has left in the ring is still to be read. */
  onHangUp(): void {
    this.#isPeerGone = true;
    if (this.#waiting.length > 0) this.#failWriting();
    this.#schedule();
  }

  // What the bell tells.

  onReady(): boolean {
    let count: number;
    try {
      count = this.#poller.native.read(this.#link.bell, this.#record);
    } catch (error) {
      this.#fail(systemFact(error));
      return false;
    }
    if (count === 0) this.#poller.watch(this.#link.bell, this, 0);
    this.#goOn();
    this.#look();
    // Whoever closes it has left, or is gone, and has said so in the ring or by the socket.
    if (count === 0 && this.#isReading) {
      if (this.#socket.isPeerGone) this.onHangUp();
      else this.#fail(new EarshotError("CONNECTION_LOST", "the other side can not be woken any more"));
    }
    return false;
  }

  /** @internal a turn of its own. */
  lookNow(): void {
    this.#isScheduled = false;
    this.#look();
  }

  get #isReading(): boolean {
    const isOpen = this.#life === "open" && this.#input === "ring" && this.#inputEnd === "open";
    return isOpen && !this.#isPaused && this.#events !== undefined;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#life !== "open") return;
    this.#isScheduled = true;
    setImmediate(look, this);
  }

  #look(): void {
    try {
      for (let pieces = 0; this.#readPiece(); pieces++) {
        if (pieces < MAX_PIECES) continue;
        this.#schedule();
        return;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Hands over what there is, up to a piece; returns false when there is nothing more now. */
  #readPiece(): boolean {
    if (!this.#isReading) return false;
    const { reader, bytes, privateStart, bell } = this.#link;
    const available = reader.available;
    if (available === 0) return this.#findNothing();
    const into = this.#events?.readInto();
    const descriptors = reader.descriptors === this.#arrivals ? undefined : this.#nextDescriptors();
    let most = Math.min(available, into?.length ?? READ_BYTES);
    if (this.#arrived !== undefined) most = Math.min(most, (this.#arrived.position - reader.position) >>> 0);
    if (reader.read(most, into ?? privateStart)) this.#wake(bell);
    if (into !== undefined) this.#events?.onBytes(into.length === most ? into : into.subarray(0, most), descriptors);
    else {
      if (this.#view?.length !== most) this.#view = bytes.subarray(privateStart, privateStart + most);
      this.#events?.onBytes(this.#view, descriptors);
    }
    return true;
  }

  /** The descriptors of the next byte, if it has some. @throws EarshotError `PROTOCOL_VIOLATION` */
  #nextDescriptors(): readonly number[] | undefined {
    const { reader } = this.#link;
    this.#arrived ??= this.#receiveDescriptors();
    const { position, descriptors } = this.#arrived;
    if (position !== reader.position) return undefined;
    this.#arrivals = (this.#arrivals + 1) | 0;
    // No piece goes beyond the next ones.
    this.#arrived = reader.descriptors === this.#arrivals ? undefined : this.#receiveDescriptors();
    return descriptors;
  }

  #receiveDescriptors(): Arrival {
    const descriptors = this.#socket.readRecord(this.#record);
    if (descriptors === undefined) throw violation("descriptors that were announced, and did not come");
    const position = this.#record.readInt32LE(0);
    // They are sent before their byte can be read: it is the next that comes, or there already.
    if ((position - this.#link.reader.position) >>> 0 <= this.#link.reader.available) return { position, descriptors };
    this.#closeDescriptors(descriptors);
    throw violation("descriptors that belong to no byte");
  }

  #findNothing(): boolean {
    const { reader } = this.#link;
    if (reader.hasEnded || this.#isPeerGone) {
      if (reader.available > 0) return true;
      this.#endInput();
      return false;
    }
    return !reader.sleep();
  }

  #endInput(): void {
    this.#inputEnd = "ended";
    // What the other side has not read is lost if it is gone: no regular end.
    if (this.#isPeerGone && this.#outputEnd !== "ended" && this.#link.writer.unread > 0) this.#failWriting();
    if (this.#error === undefined) this.#events?.onEnd();
    if (this.#error !== undefined) this.close();
    else this.#closeIfEnded();
  }

  /** The descriptors first: before their byte can be read, they have to be there. Returns false if all has to wait. */
  #announce(chunks: readonly Uint8Array[], descriptors: readonly number[] | undefined): boolean {
    if (descriptors === undefined) return true;
    const { writer } = this.#link;
    // What the other side still reads from the socket must not get between.
    if (!writer.hasReader && writer.waitForReader()) {
      this.#waiting = chunks;
      this.#waitingDescriptors = descriptors;
      return false;
    }
    const record = Buffer.alloc(POSITION_BYTES);
    record.writeInt32LE(writer.position, 0);
    if (this.#socket.write([record], descriptors)) {
      writer.announceDescriptors();
      return true;
    }
    this.#isAnnouncing = true;
    this.#waiting = chunks;
    return false;
  }

  /** Returns true when all is in the ring. @throws EarshotError `PROTOCOL_VIOLATION` */
  #put(chunks: readonly Uint8Array[]): boolean {
    const { writer, bell } = this.#link;
    if (this.#isPeerGone) {
      this.#failWriting();
      return true;
    }
    for (let index = 0; index < chunks.length; index++) {
      const chunk = chunks[index] as Uint8Array;
      for (let from = writer.put(chunk); from < chunk.length; from += writer.put(chunk, from)) {
        if (writer.publish()) this.#wake(bell);
        if (!writer.waitForRoom()) continue;
        this.#waiting = [chunk.subarray(from), ...chunks.slice(index + 1)];
        return false;
      }
    }
    if (writer.publish()) this.#wake(bell);
    return true;
  }

  /** Writes what waits. */
  #goOn(): void {
    if (this.#life !== "open" || this.#waiting.length === 0 || this.#isAnnouncing) return;
    const chunks = this.#waiting;
    const descriptors = this.#waitingDescriptors;
    this.#waiting = NOTHING;
    this.#waitingDescriptors = undefined;
    try {
      if (!this.#announce(chunks, descriptors) || !this.#put(chunks)) return;
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#error !== undefined) return;
    this.#endOutput();
    this.#events?.onDrain();
  }

  #wake(bell: number): void {
    try {
      // Where there is no room, enough are waiting to wake anybody.
      this.#poller.native.write(bell, LOOK);
    } catch {
      // The other side is gone, or has left the ring; the socket tells.
    }
  }

  /** Nobody reads any more. What the other side had sent before is worth reading, and may tell why. */
  #failWriting(): void {
    this.#error ??= new EarshotError(
      "CONNECTION_LOST",
      "the other side closed the connection before it had read everything",
    );
    this.#waiting = NOTHING;
    if (!this.#isReading) this.close();
  }

  #endOutput(): void {
    if (this.#outputEnd !== "ending" || this.#waiting.length > 0) return;
    this.#outputEnd = "ended";
    const { writer, bell } = this.#link;
    if (writer.end()) this.#wake(bell);
    this.#closeIfEnded();
  }

  #closeIfEnded(): void {
    if (this.#inputEnd === "ended" && this.#outputEnd === "ended") this.close();
  }

  #fail(error: unknown): void {
    if (!(error instanceof EarshotError)) throw error;
    this.#error ??= error;
    this.close();
  }

  #closeDescriptors(descriptors: readonly number[] | undefined): void {
    for (const descriptor of descriptors ?? []) this.#poller.native.close(descriptor);
  }

  /** Once. */
  #letGo(): void {
    if (this.#life === "released") this.#poller.close(this.#link.bell);
    this.#link.release();
  }
}

function look(transport: SharedTransport): void {
  transport.lookNow();
}
