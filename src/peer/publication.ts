import { LAST_RECORD } from "./record-reader.js";
import { MAX_TOPIC_BYTES } from "./topic.js";

/** The kinds of records that a server sends to a subscriber; those it does not know it skips. */
export const PublicationKind = {
  /** The subscription is in force: `u32` how many messages follow that were published before. */
  BEGUN: 0,
  /** `u8 n, n bytes of topic`, then the message. */
  MESSAGE: 1,
  /** `u64` how many messages had no place, between the one before and the one behind. */
  DROPPED: 2,
} as const;

/** What a record has before its bytes: its length. */
const PREFIX_BYTES = 4;
/** What a message costs in memory besides its bytes, about. */
const OVERHEAD_BYTES = 128;
/** All that a record of a message has besides the message. */
export const MAX_EXTRA_BYTES: number = PREFIX_BYTES + 2 + MAX_TOPIC_BYTES;

/** A published message, encoded once, however many subscribers it has. */
export class Publication {
  readonly topic: string;
  /** In the order of publishing. */
  readonly order: number;
  /** The whole record; `undefined` when it was let go before everybody had it. */
  bytes: Buffer | undefined;
  /** What it costs in memory. */
  readonly costBytes: number;
  /** In how many queues it waits. */
  holders = 0;
  /** Its neighbours, among those that wait in any queue. */
  older: Publication | undefined;
  newer: Publication | undefined;
  #untaken = 0;
  #onTaken: (() => void) | undefined;

  constructor(topic: string, order: number, bytes: Buffer) {
    this.topic = topic;
    this.order = order;
    this.bytes = bytes;
    this.costBytes = bytes.length + OVERHEAD_BYTES;
  }

  /** Somebody for whom its publisher waits has not taken it yet. */
  await(): void {
    this.#untaken++;
  }

  /** He has, or never will. */
  taken(): void {
    if (--this.#untaken === 0) this.#onTaken?.();
  }

  /** Resolves when all of them have; `undefined` when there is nobody to wait for. */
  whenTaken(): Promise<void> | undefined {
    if (this.#untaken === 0) return undefined;
    return new Promise((resolve) => {
      this.#onTaken = resolve;
    });
  }
}

/** What the record of each message of a topic has before the message, but for its length. */
export function topicHead(topic: string): Buffer {
  const bytes = Buffer.from(topic);
  return Buffer.concat([Buffer.of(PublicationKind.MESSAGE, bytes.length), bytes]);
}

/**
 * @param dataBytes how many the data has, as UTF-8
 * @param isKept whether it may stay for long: then its memory is its own
 */
export function encodeMessage(head: Buffer, data: string | Uint8Array, dataBytes: number, isKept: boolean): Buffer {
  const length = head.length + dataBytes;
  const record = isKept ? Buffer.allocUnsafeSlow(PREFIX_BYTES + length) : Buffer.allocUnsafe(PREFIX_BYTES + length);
  record.writeUInt32LE(length, 0);
  record.set(head, PREFIX_BYTES);
  const start = PREFIX_BYTES + head.length;
  if (typeof data === "string") record.write(data, start);
  else record.set(data, start);
  return record;
}

export function encodeBegun(replayed: number): Buffer {
  const record = Buffer.alloc(PREFIX_BYTES + 5);
  record.writeUInt32LE(5, 0);
  record[PREFIX_BYTES] = PublicationKind.BEGUN;
  record.writeUInt32LE(replayed, PREFIX_BYTES + 1);
  return record;
}

export function encodeDropped(count: number): Buffer {
  const record = Buffer.alloc(PREFIX_BYTES + 9);
  record.writeUInt32LE(9, 0);
  record[PREFIX_BYTES] = PublicationKind.DROPPED;
  record.writeBigUInt64LE(BigInt(count), PREFIX_BYTES + 1);
  return record;
}

/** The last record: all that was published before the server closed has come. */
export function encodeEnd(): Buffer {
  const record = Buffer.alloc(PREFIX_BYTES);
  record.writeUInt32LE(LAST_RECORD, 0);
  return record;
}
