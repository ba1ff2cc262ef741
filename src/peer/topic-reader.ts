import { EarshotError } from "../errors.js";
import { Message } from "../message.js";
import { readU64 } from "../wire/decode.js";
import type { Inflow } from "./flow.js";
import { PublicationKind } from "./publication.js";
import { type RecordLimits, RecordReader } from "./record-reader.js";

/** A message that was published. */
export class TopicMessage extends Message {
  /** What it was published on. */
  readonly topic: string;
  /** How many messages of this subscription, between the one before and this one, had no place on the server. */
  readonly dropped: number;
  /** Whether it was published before the subscription began. */
  readonly isReplayed: boolean;
  /**
   * Whether the connection was lost, or the server gone, between the message before and this one, and the subscription made
   * again: what was published meanwhile is missing, and nobody knows how much.
   */
  readonly isAfterGap: boolean;

  /** @internal */
  constructor(
    source: Buffer,
    start: number,
    end: number,
    about: Pick<TopicMessage, "topic" | "dropped" | "isReplayed" | "isAfterGap">,
  ) {
    super(source, start, end);
    this.topic = about.topic;
    this.dropped = about.dropped;
    this.isReplayed = about.isReplayed;
    this.isAfterGap = about.isAfterGap;
  }
}

/** How a subscription is read. */
export interface TopicLimits extends RecordLimits {
  /** What comes after what is read now, when that has ended or broken off; `undefined`: nothing does. */
  readonly next?: (() => Inflow | undefined) | undefined;
}

/** The records of a subscription: those that are no messages are taken in as they come. */
export class TopicReader extends RecordReader {
  /** How many have been dropped, all in all. */
  dropped = 0;
  /** How many of them no message tells of yet. */
  #untold = 0;
  /** How many that were published before are still to come. */
  #replayed = 0;
  #isBegun = false;
  /** The same, of the exchange that is read. */
  #isConfirmed = false;
  /** How often it was made again. */
  gaps = 0;
  /** No message tells of the last of them yet. */
  #isAfterGap = false;
  readonly #next: TopicLimits["next"];

  constructor(inflow: Inflow, { next, ...limits }: TopicLimits) {
    super(inflow, limits);
    this.#next = next;
  }

  /** The server has the subscription. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** Looks for the first record, before `next` is asked; true when it is there. @throws EarshotError `PROTOCOL_VIOLATION` */
  begin(): boolean {
    if (!this.#isBegun && super.next()) this.#confirm();
    return this.#isBegun;
  }

  /** True when there is a message, or the last record. @throws EarshotError */
  override next(): boolean {
    while (super.next()) {
      if (!this.#isConfirmed) {
        this.#confirm();
        continue;
      }
      if (this.isLast) {
        if (this.#follow()) continue;
        return true;
      }
      if (this.start === this.end) throw broken("an empty record");
      const kind = this.source[this.start];
      if (kind === PublicationKind.MESSAGE) return true;
      if (kind === PublicationKind.DROPPED) this.#drop();
    }
    return false;
  }

  /** The same; where the subscription is made again, only what puts an end to it is thrown. */
  override readable(): Promise<void> {
    return this.#next === undefined ? super.readable() : this.#readableOn();
  }

  async #readableOn(): Promise<void> {
    try {
      await super.readable();
    } catch (error) {
      if (!this.#follow()) throw error;
    }
  }

  #confirm(): void {
    const isBegun = !this.isLast && this.source[this.start] === PublicationKind.BEGUN;
    if (!isBegun || this.end - this.start < 5) throw broken("it does not begin with its first record");
    this.#isBegun = true;
    this.#isConfirmed = true;
    this.#replayed = this.source.readUInt32LE(this.start + 1);
  }

  /** Goes on with the exchange that comes after this one; false: none does. */
  #follow(): boolean {
    const inflow = this.#next?.();
    if (inflow === undefined) return false;
    this.goOn(inflow);
    if (this.#isConfirmed) {
      this.gaps++;
      this.#isAfterGap = true;
    }
    this.#isConfirmed = false;
    return true;
  }

  /** The message that `next` has found. @throws EarshotError `PROTOCOL_VIOLATION` */
  message(): TopicMessage {
    const { source, start, end } = this;
    const topicStart = start + 2;
    const topicEnd = topicStart + (source[start + 1] ?? 0);
    if (topicEnd > end || topicStart > end) throw broken("a topic that is longer than its record");
    const dropped = this.#untold;
    this.#untold = 0;
    const isReplayed = this.#replayed > 0;
    if (isReplayed) this.#replayed--;
    const isAfterGap = this.#isAfterGap;
    this.#isAfterGap = false;
    return new TopicMessage(source, topicEnd, end, {
      topic: source.toString("utf8", topicStart, topicEnd),
      dropped,
      isReplayed,
      isAfterGap,
    });
  }

  #drop(): void {
    if (this.end - this.start < 9) throw broken("a number of dropped messages without a number");
    const count = readU64(this.source, this.start + 1);
    this.#untold += count;
    this.dropped += count;
    this.#replayed = Math.max(0, this.#replayed - count);
  }
}

function broken(fact: string): EarshotError {
  return new EarshotError("PROTOCOL_VIOLATION", `Cannot read the subscription: ${fact}`, { op: "receive" });
}
