import type { Bell } from "./bell.js";
import type { RingWriter } from "./ring.js";
import { POSITION_BYTES } from "./ring-input.js";
import type { Link } from "./shared-memory.js";

const NOTHING: readonly Uint8Array[] = [];

/** How often to look for room before waiting for it asleep: some twenty microseconds. */
const LOOKS = 1_500;
/** So often in a row; then everything else has its turn. */
const MAX_IN_ROW = 16;
/** After so many looks in vain in a row, only one of 2^6 is made. */
const MAX_DOUBLINGS = 6;

/** By which way descriptors go out. */
export interface DescriptorWay {
  /** As `Transport.write`. */
  write(chunks: readonly Uint8Array[], descriptors: readonly number[]): boolean;
  closeDescriptors(descriptors: readonly number[]): void;
}

/** What goes out through a ring, and the descriptors that go beside it. */
export class RingOutput {
  readonly #writer: RingWriter;
  readonly #bell: Bell;
  readonly #way: DescriptorWay;
  #waiting: readonly Uint8Array[] = NOTHING;
  /** Of the first byte that waits. */
  #waitingDescriptors: readonly number[] | undefined;
  /** What waits, waits for its descriptors to be on their way. */
  #isAnnouncing = false;
  #end: "open" | "ending" | "ended" = "open";
  readonly #canLook: boolean;
  #looksInRow = 0;
  #inVain = 0;
  /** So many looks are left out. */
  #skips = 0;

  /** @param canLook whether to stay awake while the other side makes room */
  constructor({ writer }: Link, bell: Bell, way: DescriptorWay, canLook: boolean) {
    this.#canLook = canLook;
    this.#writer = writer;
    this.#bell = bell;
    this.#way = way;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  get isOpen(): boolean {
    return this.#end === "open";
  }

  get hasEnded(): boolean {
    return this.#end === "ended";
  }

  /** Whether the other side has begun to read. */
  get hasReader(): boolean {
    return this.#writer.hasReader;
  }

  /** Whether there is something that the other side has not read. @throws EarshotError `PROTOCOL_VIOLATION` */
  get hasUnread(): boolean {
    return this.#writer.unread > 0;
  }

  /** As `Transport.write`. @throws EarshotError `PROTOCOL_VIOLATION` */
  write(chunks: readonly Uint8Array[], descriptors: readonly number[] | undefined): boolean {
    if (this.#waiting.length > 0) {
      this.#waiting = [...this.#waiting, ...chunks];
      return false;
    }
    return (descriptors === undefined || this.#announce(chunks, descriptors)) && this.#put(chunks);
  }

  /** There may be room. @returns whether all that waited is out now @throws EarshotError `PROTOCOL_VIOLATION` */
  goOn(): boolean {
    if (this.#waiting.length === 0 || this.#isAnnouncing) return false;
    const chunks = this.#waiting;
    const descriptors = this.#waitingDescriptors;
    this.#waiting = NOTHING;
    this.#waitingDescriptors = undefined;
    if (!this.write(chunks, descriptors)) return false;
    this.#finish();
    return true;
  }

  /** What waited for the socket is out. @returns whether that was a ring's */
  announced(): boolean {
    if (!this.#isAnnouncing) return false;
    this.#isAnnouncing = false;
    this.#writer.announceDescriptors();
    return true;
  }

  /** Nothing follows. */
  end(): void {
    if (this.#end !== "open") return;
    this.#end = "ending";
    this.#finish();
  }

  /** What waits leaves no more. */
  drop(): void {
    this.#waiting = NOTHING;
    if (this.#waitingDescriptors !== undefined) this.#way.closeDescriptors(this.#waitingDescriptors);
    this.#waitingDescriptors = undefined;
  }

  #finish(): void {
    if (this.#end !== "ending" || this.#waiting.length > 0) return;
    this.#end = "ended";
    if (this.#writer.end()) this.#bell.ring();
  }

  /** The descriptors first: before their byte can be read, they have to be there. Returns false if all has to wait. */
  #announce(chunks: readonly Uint8Array[], descriptors: readonly number[]): boolean {
    // What the other side still reads from the socket must not get between.
    if (!this.#writer.hasReader && this.#writer.waitForReader()) {
      this.#waiting = chunks;
      this.#waitingDescriptors = descriptors;
      return false;
    }
    const record = Buffer.alloc(POSITION_BYTES);
    record.writeInt32LE(this.#writer.position, 0);
    if (this.#way.write([record], descriptors)) {
      this.#writer.announceDescriptors();
      return true;
    }
    this.#isAnnouncing = true;
    this.#waiting = chunks;
    return false;
  }

  /** A reader that is at it makes room sooner than it could wake this side. */
  #findRoom(): boolean {
    if (!this.#canLook || !this.#writer.isReaderAwake || this.#looksInRow === MAX_IN_ROW) return false;
    if (this.#skips > 0) {
      this.#skips--;
      return false;
    }
    this.#looksInRow++;
    for (let looks = 0; looks < LOOKS; looks++) {
      if (!this.#writer.hasRoom) continue;
      this.#inVain = 0;
      return true;
    }
    this.#inVain = Math.min(this.#inVain + 1, MAX_DOUBLINGS);
    this.#skips = 2 ** this.#inVain;
    return false;
  }

  /** Returns true when all is in the ring. */
  #put(chunks: readonly Uint8Array[]): boolean {
    const writer = this.#writer;
    for (let index = 0; index < chunks.length; index++) {
      const chunk = chunks[index] as Uint8Array;
      for (let from = writer.put(chunk); from < chunk.length; from += writer.put(chunk, from)) {
        if (writer.publish()) this.#bell.ring();
        if (this.#findRoom() || !writer.waitForRoom()) continue;
        this.#looksInRow = 0;
        this.#waiting = [chunk.subarray(from), ...chunks.slice(index + 1)];
        return false;
      }
    }
    if (writer.publish()) this.#bell.ring();
    return true;
  }
}
