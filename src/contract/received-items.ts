import { EarshotError } from "../errors.js";
import type { RecordReader } from "../peer/record-reader.js";
import type { RecordSource } from "../peer/record-stream.js";
import { check } from "./check.js";
import { type Codec, CodecError } from "./codec.js";
import { Invalid } from "./faults.js";
import type { Served } from "./service.js";

/** What a caller streams, for the handler. */
export class ReceivedItems implements RecordSource<unknown> {
  readonly #reader: RecordReader;
  readonly #codec: Codec;
  readonly #served: Served;

  constructor(reader: RecordReader, codec: Codec, served: Served) {
    this.#reader = reader;
    this.#codec = codec;
    this.#served = served;
  }

  open(): RecordReader {
    return this.#reader;
  }

  item({ source, start, end }: RecordReader): unknown {
    const { checks, name } = this.#served;
    let item: unknown;
    try {
      item = this.#codec.decode(source, start, end);
    } catch (error) {
      throw error instanceof CodecError ? unreadable(name, error.message) : error;
    }
    return check(checks.accepts, item, "INVALID_INPUT", "item", name);
  }

  end(reader: RecordReader): void {
    if (!reader.isCutShort && !reader.isLast) return;
    const fact = "Cannot read the stream: it does not end with the end of an item";
    throw new EarshotError("PROTOCOL_VIOLATION", fact, { op: "receive" });
  }

  leave(): void {
    this.#reader.stop();
  }
}

/** Of what the caller has sent. */
export function unreadable(procedure: string, message: string): Invalid {
  const text = `Cannot call ${procedure}: what it was sent cannot be read: ${message}`;
  return new Invalid("INVALID_INPUT", [{ message: `it cannot be read: ${message}`, path: [] }], text);
}
