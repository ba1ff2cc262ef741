import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { IncomingStream } from "../../src/session/incoming-stream.js";
import { byteByByte, pattern } from "../support/bytes.js";
import { makePlain } from "./pair.js";
import { frame, TYPE } from "./raw.js";
import { connectStreams, incomingOf, streamServer } from "./streams.js";

const OWNER = { onHeld() {}, onRead() {}, onStop() {} };

function chunksOf(stream: IncomingStream): Buffer[] {
  const chunks: Buffer[] = [];
  for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) chunks.push(chunk);
  return chunks;
}

test("65,536 frames of one byte that nobody reads cost little more than their bytes", () => {
  const { server } = streamServer();
  const bytes = pattern(65_536);
  server.receive(frame(TYPE.OPEN, 0, 1));
  for (const byte of byteByByte(bytes)) server.receive(frame(TYPE.DATA, 0, 1, byte));
  assert.equal(server.session.heldBytes, 65_536);
  const chunks = chunksOf(incomingOf(server));
  assert.equal(chunks.length <= 10, true, `${chunks.length} chunks`);
  assert.deepEqual(Buffer.concat(chunks), bytes);
});

test("a reader that keeps the few bytes of each read keeps no more memory than a few times theirs", () => {
  const stream = new IncomingStream(OWNER, 1, Infinity, undefined);
  const kept = new Map<ArrayBufferLike, number>();
  for (let read = 0; read < 1_000; read++) {
    for (const byte of [1, 2]) stream.receive(Buffer.of(byte), 0, 1, 0);
    for (const { buffer } of chunksOf(stream)) kept.set(buffer, buffer.byteLength);
  }
  const bytes = [...kept.values()].reduce((sum, size) => sum + size, 0);
  assert.ok(bytes <= 100_000, `${bytes} bytes are kept for 2,000`);
});

test("nor do they when each is cut in two", () => {
  const { server } = streamServer();
  const bytes = pattern(4_000);
  server.receive(frame(TYPE.OPEN, 0, 1));
  for (let at = 0; at < bytes.length; at += 2) {
    const data = frame(TYPE.DATA, 0, 1, bytes.subarray(at, at + 2));
    server.receive(data.subarray(0, 17));
    server.receive(data.subarray(17));
  }
  const chunks = chunksOf(incomingOf(server));
  assert.equal(chunks.length <= 3, true, `${chunks.length} chunks`);
  assert.deepEqual(Buffer.concat(chunks), bytes);
});

test("nor do single bytes on the plain wire", () => {
  const { server } = connectStreams(makePlain);
  const bytes = pattern(50_000);
  for (const byte of byteByByte(bytes)) server.receive(byte);
  const chunks = chunksOf(incomingOf(server));
  assert.equal(chunks.length <= 10, true, `${chunks.length} chunks`);
  assert.deepEqual(Buffer.concat(chunks), bytes);
});

test("small and large pieces keep their order, whenever they are read", () => {
  for (const readEvery of [1, 2, 3, 7, 100]) {
    const stream = new IncomingStream(OWNER, 1, Infinity, undefined);
    const sizes = Array.from(
      { length: 200 },
      (_, index) => [1, 10, 4_096, 4_097, 3_000, 100_000][(index * 7) % 6] ?? 0,
    );
    const sent: Buffer[] = [];
    const read: Buffer[] = [];
    for (const [index, size] of sizes.entries()) {
      const bytes = pattern(size, index);
      sent.push(bytes);
      if (index % 2 === 0) stream.receive(Buffer.from(bytes), 0, bytes.length, 0);
      else stream.give(Buffer.from(bytes));
      if (index % readEvery > 0) continue;
      const chunk = stream.read();
      if (chunk !== undefined) read.push(Buffer.from(chunk));
    }
    read.push(...chunksOf(stream));
    assert.ok(Buffer.concat(read).equals(Buffer.concat(sent)), `read after every ${readEvery}`);
    assert.equal(stream.bufferedBytes, 0);
  }
});

test("a reader that is always one piece behind does not make a stream grow", () => {
  const stream = new IncomingStream(OWNER, 1, Infinity, undefined);
  const bytes = pattern(5_000);
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  stream.receive(bytes, 0, bytes.length, 0);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 300_000; index++) {
    stream.give(bytes);
    stream.read();
  }
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  assert.equal(grown < 1_000_000, true, `it has grown by ${grown} bytes`);
  assert.equal(stream.read()?.length, 5_000);
});
