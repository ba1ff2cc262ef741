import type { Codec } from "./codec.js";
import { MessagePackReader } from "./msgpack-reader.js";
import { MessagePackWriter } from "./msgpack-writer.js";
import type { Writer } from "./writer.js";

/** MessagePack, with what JavaScript has and it lacks as extensions. */
export function messagePack(out: Writer): Codec {
  const writer = new MessagePackWriter(out);
  const reader = new MessagePackReader();
  return {
    id: 1,
    encode: (value) => writer.write(value),
    decode: (source, start, end) => reader.read(source, start, end),
  };
}
