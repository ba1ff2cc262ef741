import { type Codec, CodecError, type CodecName } from "./codec.js";
import { json } from "./json.js";
import { messagePack } from "./msgpack.js";
import type { Writer } from "./writer.js";

/** By their numbers in a call. */
const MAKERS: readonly ((out: Writer) => Codec)[] = [messagePack, json];

/** As the handshake has them; the first is the default. Their numbers in a call are 1 and 2. */
export const CODEC_NAMES: readonly [CodecName, ...CodecName[]] = ["msgpack", "json"];

/** A codec that writes to a writer. @throws CodecError for a number that none has */
export function codecFor(id: number, out: Writer): Codec {
  const make = MAKERS[id - 1];
  if (make === undefined) throw new CodecError(`it is in codec ${id}, which is not known`);
  return make(out);
}
