import { pattern } from "../support/bytes.js";
import { decodeFrames, encodeFrame, type Frame, preface } from "../wire/reference.js";

/** Numbers as PROTOCOL.md gives them, so that these tests speak the wire and not the code. */
export const TYPE = {
  HELLO: 1,
  OPEN: 2,
  DATA: 3,
  RESET: 4,
  PING: 5,
  PONG: 6,
  GOAWAY: 7,
  WINDOW: 8,
  STOP: 9,
  LANE: 10,
  LEND: 11,
  RETURN: 12,
  RETIRE: 13,
};
export const END = 1;
export const DEADLINE = 2;
export const SIZE = 4;
export const SYSTEM = 8;
/** The flag; the frame is `TYPE.WINDOW`. */
export const WINDOW = 16;

const NAMES = [
  "?",
  "HELLO",
  "OPEN",
  "DATA",
  "RESET",
  "PING",
  "PONG",
  "GOAWAY",
  "WINDOW",
  "STOP",
  "LANE",
  "LEND",
  "RETURN",
  "RETIRE",
];
const FAILURES = [
  "CLOSED",
  "CANCELLED",
  "TIMEOUT",
  "HANDLER_FAILED",
  "TOO_LARGE",
  "OVERLOADED",
  "VIOLATION",
  "VERSION",
  "REFUSED",
  "UNSUPPORTED",
];

export function frame(type: number, flags: number, exchange: number, payload: Uint8Array | string = ""): Buffer {
  const digits = Buffer.from(payload as string).toString("hex");
  return Buffer.from(encodeFrame({ type, flags, exchange: BigInt(exchange), payload: digits }));
}

/** A whole message in one frame. */
export function open(exchange: number, body: Uint8Array | string = "hello"): Buffer {
  return frame(TYPE.OPEN, END, exchange, body);
}

export function hello(value: unknown = { versions: [1, 1] }): Buffer {
  return frame(TYPE.HELLO, 0, 0, JSON.stringify(value));
}

/** The first bytes of a direction. */
export function greeting(value?: unknown): Buffer {
  return Buffer.concat([preface, hello(value)]);
}

export function reset(exchange: number, code: number, text = "", remoteCode = "", type = TYPE.RESET): Buffer {
  const fields = Buffer.alloc(4);
  fields.writeUInt16LE(code, 0);
  fields.writeUInt16LE(Buffer.byteLength(remoteCode), 2);
  return frame(type, 0, exchange, Buffer.concat([fields, Buffer.from(remoteCode), Buffer.from(text)]));
}

export function goAway(lastExchange: number, code: number, text = ""): Buffer {
  return reset(lastExchange, code, text, "", TYPE.GOAWAY);
}

/** So many bytes more of an exchange. */
export function credit(exchange: number, bytes: number): Buffer {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(bytes);
  return frame(TYPE.WINDOW, 0, exchange, field);
}

/** @param descriptors how many it announces */
export function lendFrame(exchange: number, slab: number, bytes: number, descriptors = 0): Buffer {
  const fields = Buffer.alloc(12);
  fields.writeUInt32LE(slab, 0);
  fields.writeBigUInt64LE(BigInt(bytes), 4);
  const whole = frame(TYPE.LEND, 0, exchange, fields);
  whole[2] = descriptors;
  return whole;
}

/** RETURN or RETIRE. */
export function slabFrame(type: number, slab: number): Buffer {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(slab);
  return frame(type, 0, 0, field);
}

export function stop(exchange: number): Buffer {
  return frame(TYPE.STOP, 0, exchange);
}

/** A message in many frames. @param sizes of the pieces */
export function openInPieces(exchange: number, sizes: readonly number[], declared?: number): Buffer {
  const size = Buffer.alloc(declared === undefined ? 0 : 8);
  if (declared !== undefined) size.writeBigUInt64LE(BigInt(declared));
  const pieces = sizes.map((length, index) => {
    const isFirst = index === 0;
    const flags = (index === sizes.length - 1 ? END : 0) | (isFirst && declared !== undefined ? SIZE : 0);
    const body = pattern(length);
    return frame(isFirst ? TYPE.OPEN : TYPE.DATA, flags, exchange, isFirst ? Buffer.concat([size, body]) : body);
  });
  return Buffer.concat(pieces);
}

/** All frames of what was written, without the preface. */
export function framesOf(bytes: Buffer): readonly Frame[] {
  const hasPreface = bytes.subarray(0, 8).equals(preface);
  const { frames, error, isComplete } = decodeFrames(hasPreface ? bytes.subarray(8) : bytes);
  if (error !== undefined || !isComplete) throw new Error("what was written is not a row of whole frames");
  return frames;
}

/** What was written, one line for each frame: `OPEN+END 1 "hello"`, `RESET 1 CANCELLED`, `DATA 1 of 131052`. */
export function describe(bytes: Buffer): string[] {
  return framesOf(bytes).map(({ type, flags, exchange, payload }) => {
    const flagNames = ["END", "DEADLINE", "SIZE", "SYSTEM", "WINDOW"].filter((_, bit) => (flags & (1 << bit)) !== 0);
    const name = [NAMES[type] ?? `type ${type}`, ...flagNames].join("+");
    const body = Buffer.from(payload, "hex");
    if (type === TYPE.HELLO) return name;
    if (type === TYPE.STOP) return `${name} ${exchange}`;
    if (type === TYPE.LEND) return `${name} ${exchange} slab ${body.readUInt32LE()} of ${body.readUInt32LE(4)}`;
    if (type === TYPE.RETURN || type === TYPE.RETIRE) return `${name} ${body.readUInt32LE()}`;
    if (type === TYPE.WINDOW) return `${name} ${exchange} ${body.readUInt32LE()}`;
    if (type === TYPE.RESET || type === TYPE.GOAWAY) return `${name} ${exchange} ${FAILURES[body.readUInt16LE(0)]}`;
    return `${name} ${exchange} ${body.length > 100 ? `of ${body.length}` : JSON.stringify(body.toString())}`;
  });
}
