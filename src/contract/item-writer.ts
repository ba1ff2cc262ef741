import type { Outflow } from "../peer/flow.js";
import { LAST_RECORD } from "../peer/record-reader.js";
import type { Codec } from "./codec.js";
import { codecFor } from "./codecs.js";
import { Writer } from "./writer.js";

/** So many bytes leave at once, without waiting for the end of the turn. */
const CHUNK_BYTES = 16_384;
/** What a stream takes at first; one that has much to say gets more. */
const FIRST_SLAB_BYTES = 2_048;

/** Items to one direction of an exchange: what comes in one turn leaves in one piece. */
export class ItemWriter {
  readonly #out: Outflow;
  readonly #writer = new Writer(FIRST_SLAB_BYTES);
  readonly #codec: Codec;
  #isScheduled = false;
  #isWritable = true;
  #isEnded = false;

  constructor(out: Outflow, codecId: number) {
    this.#out = out;
    this.#codec = codecFor(codecId, this.#writer);
  }

  /** @throws CodecError, and then nothing of it is sent */
  add(item: unknown): void {
    const writer = this.#writer;
    if (writer.length === 0) writer.begin();
    const mark = writer.mark();
    writer.uint32(0);
    try {
      this.#codec.encode(item);
    } catch (error) {
      if (mark === 0) writer.drop();
      else writer.back(mark);
      throw error;
    }
    writer.setUint32(mark, writer.mark() - mark - 4);
    if (writer.length >= CHUNK_BYTES) this.#write();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      process.nextTick(flush, this);
    }
  }

  /** True when the other side should read before more is written: wait for `ready`. */
  get isFull(): boolean {
    return !this.#isWritable;
  }

  /** @throws EarshotError when nobody takes any more */
  async ready(): Promise<void> {
    await this.#out.ready();
    this.#isWritable = true;
  }

  /** Sends what is left, and with it the last record, if there is one. */
  end(last?: Uint8Array): void {
    if (this.#isEnded) return;
    if (last !== undefined) {
      const writer = this.#writer;
      if (writer.length === 0) writer.begin();
      writer.uint32(LAST_RECORD + last.length);
      writer.raw(last);
    }
    this.#write();
    this.#isEnded = true;
    this.#out.end();
  }

  /** The end of a turn. */
  flush(): void {
    this.#isScheduled = false;
    this.#write();
  }

  #write(): void {
    if (this.#writer.length === 0 || this.#isEnded) return;
    this.#isWritable = this.#out.write(this.#writer.take()) && this.#isWritable;
  }
}

const flush = (writer: ItemWriter) => writer.flush();
