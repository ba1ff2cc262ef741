import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameDecoder, readU64 } from "../../src/wire/decode.js";
import { encodeControl, encodeWindow, headBytes, MAX_HEAD_BYTES, writeHead, writeU64 } from "../../src/wire/encode.js";
import { decodeFailure, encodeFailure, FailureCode, type FailureName } from "../../src/wire/failure.js";
import * as frame from "../../src/wire/frame.js";
import { decodeHello } from "../../src/wire/hello.js";
import { decodeMeta, encodeMeta, type Meta } from "../../src/wire/meta.js";
import { hex, unhex } from "../support/bytes.js";
import { collect } from "./collect.js";
import { decodeFrames, type Frame } from "./reference.js";
import { type FrameVector, frameVectors, violationVectors } from "./vectors.js";

test("every number of the wire is what PROTOCOL.md says", () => {
  assert.deepEqual(
    { ...frame.FrameType },
    {
      ...{ HELLO: 1, OPEN: 2, DATA: 3, RESET: 4, PING: 5, PONG: 6, GOAWAY: 7, WINDOW: 8, STOP: 9, LANE: 10 },
      ...{ LEND: 11, RETURN: 12, RETIRE: 13 },
    },
  );
  assert.deepEqual(
    { ...frame.Flag },
    { END: 0x01, DEADLINE: 0x02, SIZE: 0x04, SYSTEM: 0x08, WINDOW: 0x10, META: 0x20 },
  );
  const none = { 1: 0, 4: 0, 5: 0, 6: 0, 7: 0, 8: 0, 9: 0, 10: 0, 11: 0, 12: 0, 13: 0 };
  assert.deepEqual({ ...frame.KNOWN_FLAGS }, { ...none, 2: 63, 3: 5 });
  assert.equal(hex(frame.PREFACE), "c165617273686f74");
  const { PREFACE, FrameType, Flag, KNOWN_FLAGS, maxPayloadBytes, ...numbers } = frame;
  assert.deepEqual(numbers, {
    HEADER_BYTES: 16,
    DESCRIPTORS_OFFSET: 2,
    MAX_DESCRIPTORS: 253,
    PROTOCOL_VERSION: 1,
    FIRST_OPTIONAL_TYPE: 0x80,
    OPTIONAL_FLAGS: 0xc0,
    DEADLINE_BYTES: 4,
    SIZE_BYTES: 8,
    WINDOW_BYTES: 4,
    META_LENGTH_BYTES: 2,
    MAX_META_BYTES: 8_192,
    MAX_ID_BYTES: 128,
    PING_BYTES: 8,
    LANE_BYTES: 5,
    LEND_BYTES: 12,
    SLAB_BYTES: 4,
    MAX_SLABS: 64,
    MIN_SLAB_BYTES: 65_536,
    MAX_SLAB_BYTES: 1_073_741_824,
    FIRST_WINDOW_BYTES: 65_536,
    MAX_PAYLOAD_BYTES: 262_144,
    MAX_CONTROL_PAYLOAD_BYTES: 16_384,
    MAX_EXCHANGE: 9_007_199_254_740_991,
    MAX_DEADLINE_MS: 4_294_967_295,
  });
});

test("every type has its longest payload", () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((type) => frame.maxPayloadBytes(type));
  assert.deepEqual(longest, [16_384, 262_144, 262_144, 16_384, 8, 8, 16_384, 4, 0, 5, 12, 4, 4]);
  assert.deepEqual([0x80, 0xff].map(frame.maxPayloadBytes), [262_144, 262_144]);
});

test("every failure has its code", () => {
  assert.deepEqual(
    { ...FailureCode },
    {
      CONNECTION_CLOSED: 0,
      CANCELLED: 1,
      TIMEOUT: 2,
      HANDLER_FAILED: 3,
      MESSAGE_TOO_LARGE: 4,
      OVERLOADED: 5,
      PROTOCOL_VIOLATION: 6,
      VERSION_MISMATCH: 7,
      PEER_REFUSED: 8,
      UNSUPPORTED: 9,
      CONTRACT_MISMATCH: 10,
      UNKNOWN_PROCEDURE: 11,
    },
  );
});

test("a u64 reads as it was written, up to 2^53 - 1", () => {
  for (const value of [0, 1, 0xffff_ffff, 0x1_0000_0000, 0x1_2345_6789_abcd, 2 ** 53 - 1]) {
    const bytes = Buffer.alloc(10);
    writeU64(bytes, value, 1);
    assert.equal(bytes.readBigUInt64LE(1), BigInt(value));
    assert.equal(readU64(bytes, 1), value);
  }
});

const FLAGS: Readonly<Record<string, number>> = { END: 1, DEADLINE: 2, SIZE: 4, SYSTEM: 8, WINDOW: 16, META: 32 };
const NAMES = Object.entries(frame.FrameType);

/** The bytes that this code writes for a frame of the vectors. */
function encode(vector: FrameVector): Buffer {
  const type = NAMES.find(([name]) => name === vector.type)?.[1];
  if (type === undefined) throw new Error(`no frame of type ${vector.type} is ever written`);
  const exchange = Number(vector.exchange);
  const body = unhex(vector.body ?? "");
  if (type === frame.FrameType.OPEN || type === frame.FrameType.DATA) {
    const [isEnd, isSystem] = ["END", "SYSTEM"].map((flag) => vector.flags?.includes(flag) === true);
    const { deadlineMs = -1, sizeBytes = -1, windowBytes = -1 } = vector;
    const sizes = { sizeBytes: Number(sizeBytes), windowBytes };
    const { id, headers } = vector;
    const meta = headers === undefined ? Buffer.alloc(0) : encoded({ id, headers });
    const head = { type, exchange, isEnd: isEnd!, isSystem: isSystem!, deadlineMs, ...sizes, metaBytes: meta.length };
    const target = Buffer.alloc(MAX_HEAD_BYTES);
    const end = writeHead(target, 0, head, body.length);
    assert.equal(end, headBytes(head));
    return Buffer.concat([target.subarray(0, end), meta, body]);
  }
  if (type === frame.FrameType.WINDOW) return encodeWindow(exchange, vector.windowBytes ?? 0);
  const { code, text = "", remoteCode = "" } = vector;
  const name = Object.entries(FailureCode).find(([, number]) => number === code)?.[0] as FailureName | undefined;
  if (name !== undefined) return encodeFailure(type, exchange, { code: name, text, remoteCode });
  return encodeControl(type, exchange, vector.json === undefined ? body : Buffer.from(JSON.stringify(vector.json)));
}

function encoded(meta: Meta): Uint8Array {
  const bytes = encodeMeta(meta);
  if (typeof bytes === "string") throw new Error(bytes);
  return bytes;
}

/** A decoded frame in the form of the vectors. */
function explain({ type, flags, exchange, payload }: Frame): FrameVector {
  const name = NAMES.find(([, number]) => number === type)?.[0];
  if (name === undefined) return { type: `optional ${type}` };
  const flagNames = Object.keys(FLAGS).filter((flag) => (flags & FLAGS[flag]!) !== 0);
  const common = { type: name, flags: flagNames, exchange: `${exchange}` };
  const bytes = unhex(payload);
  if (name === "HELLO") return { ...common, json: JSON.parse(bytes.toString()) };
  if (name === "RESET" || name === "GOAWAY") {
    const { code, ...texts } = decodeFailure(bytes);
    return { ...common, code: FailureCode[code], ...texts };
  }
  if (name === "WINDOW") return { ...common, windowBytes: bytes.readUInt32LE() };
  const sizeAt = flagNames.includes("DEADLINE") ? 4 : 0;
  const windowAt = sizeAt + (flagNames.includes("SIZE") ? 8 : 0);
  const metaAt = windowAt + (flagNames.includes("WINDOW") ? 4 : 0);
  const hasMeta = flagNames.includes("META");
  const bodyAt = metaAt + (hasMeta ? 2 + bytes.readUInt16LE(metaAt) : 0);
  const meta = hasMeta ? decodeMeta(bytes.subarray(metaAt + 2, bodyAt)) : undefined;
  return {
    ...common,
    ...(sizeAt > 0 && { deadlineMs: bytes.readUInt32LE() }),
    ...(windowAt > sizeAt && { sizeBytes: `${bytes.readBigUInt64LE(sizeAt)}` }),
    ...(metaAt > windowAt && { windowBytes: bytes.readUInt32LE(windowAt) }),
    ...(meta?.id !== undefined && { id: meta.id }),
    ...(meta !== undefined && { headers: { ...meta.headers } }),
    body: hex(bytes.subarray(bodyAt)),
  };
}

function withoutPreface(bytes: Buffer): Buffer {
  return hex(bytes.subarray(0, 8)) === "c165617273686f74" ? bytes.subarray(8) : bytes;
}

for (const vector of frameVectors) {
  const bytes = withoutPreface(unhex(vector.hex));

  test(`decodes the vector: ${vector.name}`, () => {
    const { frames, error, isComplete } = collect([bytes]);
    assert.deepEqual([error, isComplete], [undefined, true]);
    assert.deepEqual(frames.map(explain), vector.frames);
    assert.deepEqual(decodeFrames(bytes).frames, frames);
    for (const { type, payload } of frames) if (type === 1) decodeHello(unhex(payload));
  });

  // These have bits that only other programs set.
  if (/optional|ignored/.test(vector.name)) continue;
  test(`encodes the vector: ${vector.name}`, () => {
    assert.equal(hex(Buffer.concat(vector.frames.map(encode))), hex(bytes));
  });
}

test("what a header alone shows to be wrong is refused before its payload has come", () => {
  const wrong = violationVectors
    .map(({ hex: digits }) => withoutPreface(unhex(digits)))
    .filter((bytes) => decodeFrames(bytes).error !== undefined);
  // One of them is the wrong preface, which makes no header either.
  assert.equal(wrong.length, 20);
  for (const bytes of wrong) {
    const { frames } = decodeFrames(bytes);
    const start = frames.reduce((sum, { payload }) => sum + 16 + payload.length / 2, 0);
    const { error } = collect([bytes.subarray(0, start + 16)]);
    assert.equal(error, "PROTOCOL_VIOLATION");
  }
});

test("a payload at its limit is taken, one byte more is not", () => {
  for (const [type, limit] of [
    [1, 16_384],
    [2, 262_144],
    [5, 8],
    [8, 4],
    [9, 0],
    [0x80, 262_144],
  ] as const) {
    const header = Buffer.alloc(16);
    header[0] = type;
    header.writeUInt32LE(limit, 4);
    assert.equal(collect([header]).error, undefined);
    header.writeUInt32LE(limit + 1, 4);
    assert.equal(collect([header]).error, "PROTOCOL_VIOLATION");
  }
});

test("a violation is an EarshotError that says what was wrong", () => {
  const decoder = new FrameDecoder({ onWhole: () => false, onHeader() {}, onPayload() {} });
  const header = Buffer.alloc(16, 14);
  assert.throws(() => decoder.push(header), {
    name: "EarshotError",
    code: "PROTOCOL_VIOLATION",
    message: "Cannot read what the other side sent: a frame of unknown type 14",
    op: "receive",
  });
});

test("nothing remains of a frame that was taken whole", () => {
  const taken: string[] = [];
  const decoder = new FrameDecoder({
    onWhole(_, bytes, start, end) {
      taken.push(bytes.toString("utf8", start, end));
      return true;
    },
    onHeader: () => assert.fail("it was taken"),
    onPayload: () => assert.fail("it was taken"),
  });
  const whole = encodeControl(frame.FrameType.OPEN, 1, Buffer.from("whole"));
  decoder.push(Buffer.concat([whole, whole]));
  assert.deepEqual([taken, decoder.remaining, decoder.isAtBoundary], [["whole", "whole"], 0, true]);
});
