import { EarshotError } from "../errors.js";
import { check } from "./check.js";
import { type Codec, CodecError } from "./codec.js";
import { Invalid } from "./faults.js";
import type { ItemReader } from "./item-reader.js";
import type { ItemSource } from "./item-stream.js";
import type { Served } from "./service.js";

/** What a caller streams, for the handler. */
export class ReceivedItems implements ItemSource<unknown> {
  readonly #reader: ItemReader;
  readonly #codec: Codec;
  readonly #served: Served;

  constructor(reader: ItemReader, codec: Codec, served: Served) {
    this.#reader = reader;
    this.#codec = codec;
    this.#served = served;
  }

  open(): ItemReader {
    return this.#reader;
  }

  item({ source, start, end }: ItemReader): unknown {
    const { checks, name } = this.#served;
    let item: unknown;
    try {
      item = this.#codec.decode(source, start, end);
    } catch (error) {
      throw error instanceof CodecError ? unreadable(name, error.message) : error;
    }
    return check(checks.accepts, item, "INVALID_INPUT", "item", name);
  }

  end(reader: ItemReader): void {
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
