import { FailureCode, type FailureName } from "../wire/failure.js";
import { CodecError } from "./codec.js";
import { type Headers, NO_HEADERS, readHeaders } from "./headers.js";

/** The first byte of every call: no text, and no JSON, begins with it. */
export const CALL = 0xfc;

/** The second byte: which codec, in the lower four bits, and what follows the name. */
export const CallFlag = {
  /** Headers. */
  HEADERS: 0x10,
  /** The input has its length before it (u32), and the caller's items follow. */
  ITEMS: 0x20,
  /** The reply is wanted as a stream of items. */
  STREAM: 0x40,
} as const;
const CODEC_MASK = 0x0f;
const KNOWN_FLAGS = CallFlag.HEADERS | CallFlag.ITEMS | CallFlag.STREAM;

/** The first byte of every reply, and of the last record of what a server streams. */
export const Status = {
  /** The output follows; nothing at all is `undefined`. */
  OK: 0,
  /** `u8 n, n bytes of name`, then the error's data. */
  DECLARED: 1,
  /** Issues follow, as a value. */
  INVALID_INPUT: 2,
  INVALID_OUTPUT: 3,
  /** Of a stream that has begun: `u16 failure code`, as in RESET, then text; so that it comes behind the items. */
  FAILED: 4,
} as const;

/** The beginning of all calls of one procedure with one codec. */
export function callPrefix(name: string, codec: number, flags: number): Buffer {
  const bytes = Buffer.from(name);
  return Buffer.concat([Buffer.from([CALL, codec | flags, bytes.length]), bytes]);
}

/** A reply of status `FAILED`. */
export function failedReply(code: FailureName, text: string): Buffer {
  const head = Buffer.from([Status.FAILED, 0, 0]);
  head.writeUInt16LE(FailureCode[code], 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

/**
 * How many bytes a call has before its items; as long as they are not there, how many it takes to know more. `Infinity`
 * for a call without items: all there are.
 */
export function callBytes(source: Buffer): number {
  if (source.length < 3) return 3;
  const flags = source[1] as number;
  if ((flags & CallFlag.ITEMS) === 0 || source[0] !== CALL) return Infinity;
  let at = 3 + (source[2] as number);
  if ((flags & CallFlag.HEADERS) !== 0) {
    if (source.length < at + 2) return at + 2;
    at += 2 + source.readUInt16LE(at);
  }
  return source.length < at + 4 ? at + 4 : at + 4 + source.readUInt32LE(at);
}

/** What comes before the input of a call: where everything is. One object reads one call after the other. */
export class CallReader {
  codec = 0;
  hasItems = false;
  isStreamed = false;
  headers: Headers = NO_HEADERS;
  nameStart = 0;
  nameEnd = 0;
  inputStart = 0;
  /** Behind the input; the items begin there. */
  inputEnd = 0;

  /** @throws CodecError for what is no call */
  read(source: Buffer, start: number, end: number): void {
    if (start === end || source[start] !== CALL) {
      throw new CodecError("it does not begin as a call does; call it by its contract, with earshot/contract");
    }
    if (end - start < 3) throw cutShort();
    const flags = source[start + 1] as number;
    this.codec = flags & CODEC_MASK;
    if ((flags & ~(CODEC_MASK | KNOWN_FLAGS)) !== 0) throw new CodecError("it has flags that are not known");
    this.nameStart = start + 3;
    this.nameEnd = this.nameStart + (source[start + 2] as number);
    if (this.nameEnd > end) throw cutShort();
    const headersEnd = this.#readHeaders(source, this.nameEnd, end, (flags & CallFlag.HEADERS) !== 0);
    this.hasItems = (flags & CallFlag.ITEMS) !== 0;
    this.isStreamed = (flags & CallFlag.STREAM) !== 0;
    this.inputStart = headersEnd;
    this.inputEnd = end;
    if (!this.hasItems) return;
    if (headersEnd + 4 > end) throw cutShort();
    this.inputStart = headersEnd + 4;
    this.inputEnd = this.inputStart + source.readUInt32LE(headersEnd);
    if (this.inputEnd > end) throw cutShort();
  }

  #readHeaders(source: Buffer, at: number, end: number, areThere: boolean): number {
    this.headers = NO_HEADERS;
    if (!areThere) return at;
    if (at + 2 > end) throw cutShort();
    const headersEnd = at + 2 + source.readUInt16LE(at);
    if (headersEnd > end) throw cutShort();
    this.headers = readHeaders(source, at + 2, headersEnd);
    return headersEnd;
  }
}

function cutShort(): CodecError {
  return new CodecError("it ends before the call does");
}
