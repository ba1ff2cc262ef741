import { EarshotError } from "../errors.js";
import { Message } from "../message.js";
import { readU64 } from "../wire/decode.js";
import { PublicationKind } from "./publication.js";
import { RecordReader } from "./record-reader.js";

/** A message that was published. */
export class TopicMessage extends Message {
  /** What it was published on. */
  readonly topic: string;
  /** How many messages of this subscription, between the one before and this one, had no place on the server. */
  readonly dropped: number;
  /** Whether it was published before the subscription began. */
  readonly isReplayed: boolean;

  /** @internal */
  constructor(
    source: Buffer,
    start: number,
    end: number,
    about: Pick<TopicMessage, "topic" | "dropped" | "isReplayed">,
  ) {
    super(source, start, end);
    this.topic = about.topic;
    this.dropped = about.dropped;
    this.isReplayed = about.isReplayed;
  }
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

  /** The server has the subscription. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** Looks for the first record, before `next` is asked; true when it is there. @throws EarshotError `PROTOCOL_VIOLATION` */
  begin(): boolean {
    if (!this.#isBegun && super.next()) {
      const isBegun = !this.isLast && this.source[this.start] === PublicationKind.BEGUN;
      if (!isBegun || this.end - this.start < 5) throw broken("it does not begin with its first record");
      this.#isBegun = true;
      this.#replayed = this.source.readUInt32LE(this.start + 1);
    }
    return this.#isBegun;
  }

  /** True when there is a message, or the last record. @throws EarshotError */
  override next(): boolean {
    while (super.next()) {
      if (this.isLast) return true;
      if (this.start === this.end) throw broken("an empty record");
      const kind = this.source[this.start];
      if (kind === PublicationKind.MESSAGE) return true;
      if (kind === PublicationKind.DROPPED) this.#drop();
    }
    return false;
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
    return new TopicMessage(source, topicEnd, end, {
      topic: source.toString("utf8", topicStart, topicEnd),
      dropped,
      isReplayed,
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
