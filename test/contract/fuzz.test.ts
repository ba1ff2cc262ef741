/** Bytes of any kind come to a documented error, or to what they say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import { codecFor } from "../../src/contract/codecs.js";
import { Dispatch } from "../../src/contract/dispatch.js";
import { contract, procedure, type } from "../../src/contract/index.js";
import { Plan } from "../../src/contract/plan.js";
import { checksOf } from "../../src/contract/procedure.js";
import { readItem, readReply } from "../../src/contract/reply.js";
import { Service } from "../../src/contract/service.js";
import { Writer } from "../../src/contract/writer.js";
import { EarshotError } from "../../src/errors.js";
import { Message } from "../../src/message.js";
import type { Answering } from "../../src/peer/answering.js";
import { SILENT } from "../../src/peer/options.js";
import { RecordReader } from "../../src/peer/record-reader.js";
import { unhex } from "../support/bytes.js";
import { fakeInflow } from "./fakes.js";

const RUNS = Math.ceil(Number(process.env.EARSHOT_FUZZ_RUNS ?? 10_000) / 2);

const fuzzed = contract("fuzzed", "1.0.0", {
  say: procedure({ input: type<unknown>(), output: type<unknown>(), errors: { No: z.number() } }),
  checked: procedure({ input: z.object({ a: z.string() }), output: z.string() }),
  stream: procedure({ input: type<unknown>(), yields: z.string() }),
});
const options = { middleware: [], validates: true, logger: SILENT, maxMessageBytes: 1_000, maxBufferedBytes: 10_000 };
const handlers = { say: (value: unknown) => value, checked: ({ a }: { a: string }) => a, stream: () => [] };
const dispatch = new Dispatch(new Service(fuzzed, handlers, options));

/** Sensible beginnings: calls with headers, both codecs, every kind. */
const CALLS = [
  "fc0103736179a568656c6c6f",
  "fc02037361797b2261223a315d7d",
  "fc1103736179 0800 0161 0200 6262 0000 05",
  "fc0107636865636b656481a161a162",
  "fc410673747265616d05",
].map((hex) => unhex(hex));

const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
const bytes = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...CALLS), edits, fc.nat(60)).map(([call, changes, cut]) => {
      const copy = Buffer.from(call.subarray(0, cut < 30 ? call.length : cut));
      for (const [at, byte] of changes) if (copy.length > 0) copy[at % copy.length] = byte;
      return copy;
    }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((some) => Buffer.from(some)) },
);

const ANSWERS = ["reply", "UNSUPPORTED", "UNKNOWN_PROCEDURE", "HANDLER_FAILED"];

test(`${RUNS} messages make a server throw nothing, and answer each once`, async () => {
  const property = fc.asyncProperty(bytes, async (message) => {
    const answers: string[] = [];
    const answered = new Promise<void>((resolve) => {
      const answer = (what: string) => {
        answers.push(what);
        resolve();
      };
      const out = { write: () => true, ready: () => Promise.resolve(), end() {}, reset() {} };
      const fake = {
        whole: new Message(message, 0, message.length),
        signal: new AbortController().signal,
        read: () => fakeInflow([]),
        reply: () => answer("reply"),
        fail: (code: string) => answer(code),
        begin: () => out,
        end: () => answer("reply"),
      };
      dispatch.answer(fake as unknown as Answering);
    });
    await answered;
    assert.equal(answers.length, 1);
    assert.ok(ANSWERS.includes(answers[0]!), answers[0]);
  });
  await fc.assert(property, { numRuns: RUNS });
});

const plans = [fuzzed.say, fuzzed.stream].map(
  (one) => new Plan("x", one.kind, true, checksOf(one as never), "unix:x", 1),
);
const codec = codecFor(1, new Writer());
const REPLIES = ["00a568656c6c6f", "01024e6f07", "0291 82a76d657373616765a26e6f a4706174689161", "040300 6e6f"].map(
  (hex) => unhex(hex),
);
const CODES = ["INVALID_OUTPUT", "INVALID_INPUT", "PROCEDURE_FAILED", "HANDLER_FAILED"];

test(`${RUNS} replies come to an output or a documented error`, () => {
  const replies = fc.tuple(fc.constantFrom(...REPLIES), edits).map(([reply, changes]) => {
    const copy = Buffer.from(reply);
    for (const [at, byte] of changes) copy[at % copy.length] = byte;
    return copy;
  });
  const property = fc.property(fc.oneof(replies, bytes), fc.constantFrom(...plans), (reply, plan) => {
    for (const read of [readReply, readItem]) {
      try {
        read(plan, codec, reply, 0, reply.length);
      } catch (error) {
        assert.ok(error instanceof EarshotError, String(error));
        // A reply may also say any failure that RESET may say.
        if (reply[0] !== 4) assert.ok(CODES.includes(error.code), error.code);
      }
    }
  });
  fc.assert(property, { numRuns: RUNS });
});

test("records cut anywhere are the same records, and one that is too long is refused before it is put together", () => {
  const records = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
  const property = fc.property(records, fc.array(fc.nat(4_000), { maxLength: 10 }), (items, cuts) => {
    const all = Buffer.concat(items.flatMap((item) => [lengthOf(item.length), item]));
    const at = [0, ...cuts.map((cut) => cut % (all.length + 1)), all.length].sort((a, b) => a - b);
    const pieces = at.slice(1).map((end, index) => all.subarray(at[index], end));
    const reader = new RecordReader(fakeInflow(pieces), { maxBytes: 300 });
    const found: Buffer[] = [];
    while (reader.next()) found.push(Buffer.from(reader.source.subarray(reader.start, reader.end)));
    assert.deepEqual(
      found,
      items.map((item) => Buffer.from(item)),
    );
    assert.ok(reader.isEnded && !reader.isCutShort);
  });
  fc.assert(property, { numRuns: 500 });
  const largest = new RecordReader(fakeInflow([lengthOf(300), Buffer.alloc(300)]), { maxBytes: 300 });
  assert.equal(largest.next(), true);
  const tooLarge = new RecordReader(fakeInflow([lengthOf(301), Buffer.alloc(2)]), { maxBytes: 300 });
  assert.throws(() => tooLarge.next(), /an item of 301 bytes is over the limit of 300 \(maxMessageBytes\)/);
});

function lengthOf(bytes: number): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32LE(bytes);
  return prefix;
}
