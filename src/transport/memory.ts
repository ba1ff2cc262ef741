import { EarshotError } from "../errors.js";
import type { Transport, TransportEvents } from "./transport.js";

export interface MemoryOptions {
  /** How many bytes each direction holds, as a socket's buffer does, before `write` returns false; default 65,536. */
  readonly bufferBytes?: number | undefined;
  /** The most that the next `onBytes` brings, asked for each; default: all that is there. */
  readonly pieceBytes?: (() => number) | undefined;
}

const DEFAULT_BUFFER_BYTES = 65_536;

/** Two transports joined back to back in memory: for tests, and for two ends in one process. */
export function memoryPair(options: MemoryOptions = {}): [Transport, Transport] {
  const left = new MemoryTransport(options);
  const right = new MemoryTransport(options);
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class MemoryTransport implements Transport {
  readonly isPeerGone = false;
  readonly carriesDescriptors = false;
  readonly credentials = undefined;
  peer: MemoryTransport | undefined;
  readonly #bufferBytes: number;
  readonly #pieceBytes: () => number;
  #events: TransportEvents | undefined;
  /** What the other side has written and this one has not delivered yet: copies, at most `bufferBytes`. */
  #incoming: Buffer[] = [];
  #incomingBytes = 0;
  /** Of what was written here, the part that had no room there: the writer's own buffers. */
  #waiting: Uint8Array[] = [];
  #isDrainDue = false;
  #input: "open" | "ending" | "ended" = "open";
  #output: "open" | "ending" | "ended" = "open";
  #life: "open" | "closing" | "closed" = "open";
  #error: EarshotError | undefined;
  #isPaused = false;
  #isScheduled = false;

  constructor({ bufferBytes = DEFAULT_BUFFER_BYTES, pieceBytes = () => Infinity }: MemoryOptions) {
    this.#bufferBytes = bufferBytes;
    this.#pieceBytes = pieceBytes;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#schedule();
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#life !== "open" || this.#output !== "open") return true;
    for (const chunk of chunks) if (chunk.length > 0) this.#waiting.push(chunk);
    this.#fill();
    if (this.#waiting.length === 0) return true;
    this.#isDrainDue = true;
    return false;
  }

  end(): void {
    if (this.#life !== "open" || this.#output !== "open") return;
    this.#output = "ending";
    this.#fill();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  close(): void {
    if (this.#life !== "open") return;
    this.#life = "closing";
    const hasUnread = this.#incomingBytes > 0;
    this.#incoming = [];
    this.#incomingBytes = 0;
    this.#waiting = [];
    this.#schedule();
    this.peer?.onPeerClosed(hasUnread);
  }

  /** The other side has closed; what it had written before still comes. */
  onPeerClosed(hasUnread: boolean): void {
    if (this.#input === "open") this.#input = "ending";
    if (hasUnread || this.#waiting.length > 0) this.#lose();
    this.#schedule();
  }

  /** Takes as much as there is room for; returns how many bytes that were. */
  accept(bytes: Uint8Array): number {
    const taken = Buffer.from(bytes.subarray(0, Math.max(0, this.#bufferBytes - this.#incomingBytes)));
    if (taken.length > 0) this.#incoming.push(taken);
    this.#incomingBytes += taken.length;
    this.#schedule();
    return taken.length;
  }

  onPeerEnded(): void {
    this.#input = "ending";
    this.#schedule();
  }

  /** There is room for more again. */
  onPeerRead(): void {
    this.#fill();
    if (this.#isDrainDue) this.#schedule();
  }

  get isOpen(): boolean {
    return this.#life === "open";
  }

  #lose(): void {
    this.#waiting = [];
    this.#error ??= new EarshotError("CONNECTION_LOST", "Cannot send: the other side has closed", { op: "receive" });
  }

  /** Moves what waits into the other side's buffer, as far as there is room. */
  #fill(): void {
    const { peer } = this;
    if (peer === undefined || this.#life !== "open") return;
    if (!peer.isOpen && this.#waiting.length > 0) {
      this.#lose();
      this.#schedule();
    }
    for (let [chunk] = this.#waiting; chunk !== undefined; [chunk] = this.#waiting) {
      const taken = peer.accept(chunk);
      if (taken < chunk.length) {
        this.#waiting[0] = chunk.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
    if (this.#output !== "ending") return;
    this.#output = "ended";
    peer.onPeerEnded();
    this.#schedule();
  }

  /** Everything is told in a turn of its own, never from within a call. */
  #schedule(): void {
    if (this.#isScheduled || this.#events === undefined || this.#life === "closed") return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#events !== undefined) this.#turn(this.#events);
    });
  }

  #turn(events: TransportEvents): void {
    this.#deliver(events);
    if (this.#life === "open" && this.#isDrainDue && this.#waiting.length === 0) {
      this.#isDrainDue = false;
      events.onDrain();
    }
    const isDone = this.#input === "ended" && this.#output === "ended";
    if (this.#life === "open" && (isDone || this.#error !== undefined)) this.close();
    if (this.#life !== "closing") return;
    this.#life = "closed";
    events.onClose(this.#error);
  }

  #deliver(events: TransportEvents): void {
    let into: Buffer | undefined;
    // What comes in meanwhile has a turn of its own.
    for (let left = this.#incomingBytes; left > 0 && this.#isReading(); ) {
      const piece = this.#take(Math.min(left, Math.max(1, this.#pieceBytes())), into);
      left -= piece.length;
      events.onBytes(piece);
      into = events.readInto();
    }
    if (this.#life === "open") this.peer?.onPeerRead();
    if (this.#input !== "ending" || this.#incomingBytes > 0 || !this.#isReading()) return;
    this.#input = "ended";
    events.onEnd();
  }

  #isReading(): boolean {
    return this.#life === "open" && !this.#isPaused;
  }

  /** Takes out the next piece, into this buffer if there is one. */
  #take(most: number, into: Buffer | undefined): Buffer {
    const [first] = this.#incoming;
    if (first === undefined) return Buffer.alloc(0);
    const piece = first.subarray(0, Math.min(most, into?.length ?? most));
    if (piece.length === first.length) this.#incoming.shift();
    else this.#incoming[0] = first.subarray(piece.length);
    this.#incomingBytes -= piece.length;
    if (into === undefined) return piece;
    piece.copy(into);
    return into.subarray(0, piece.length);
  }
}
