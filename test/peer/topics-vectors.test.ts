/** What travels of topics is what PROTOCOL.md and its vectors say. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Inflow } from "../../src/peer/flow.js";
import {
  encodeBegun,
  encodeDropped,
  encodeEnd,
  encodeMessage,
  PublicationKind,
  topicHead,
} from "../../src/peer/publication.js";
import { TopicReader } from "../../src/peer/topic-reader.js";
import { hex, unhex } from "../support/bytes.js";
import { connect, serve } from "./support.js";

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly more?: string;
}

interface Vectors {
  readonly order: { readonly pattern: string; readonly json: string };
  readonly records: readonly Vector[];
  readonly messages: readonly unknown[];
  readonly violations: readonly Vector[];
}

const vectors = JSON.parse(readFileSync(new URL("../vectors/topics.json", import.meta.url), "utf8")) as Vectors;

function reader(...pieces: Buffer[]): TopicReader {
  const left = [...pieces];
  const inflow: Inflow = {
    read: () => left.shift(),
    get isEnded() {
      return left.length === 0;
    },
    readable: () => Promise.resolve(),
    stop() {},
  };
  return new TopicReader(inflow, { maxBytes: 1_000 });
}

function read(topics: TopicReader): unknown[] {
  const found: unknown[] = [];
  if (!topics.begin()) return found;
  while (topics.next()) {
    if (topics.isLast) return [...found, "end"];
    const message = topics.message();
    const { topic, dropped, isReplayed } = message;
    found.push({ topic, text: message.text(), dropped, isReplayed });
  }
  return found;
}

test("the kinds of records", () => {
  assert.deepEqual(PublicationKind, { BEGUN: 0, MESSAGE: 1, DROPPED: 2 });
});

test("records are written as their vectors", () => {
  const written = [
    encodeBegun(2),
    encodeDropped(1),
    encodeMessage(topicHead("a"), "ok", 2, false),
    encodeMessage(topicHead("aä"), "", 0, true),
    encodeDropped(2 ** 32),
    unhex(vectors.records[5]?.hex ?? ""),
    encodeMessage(topicHead("aä"), Buffer.from("hi"), 2, false),
    encodeEnd(),
  ];
  assert.deepEqual(
    written.map((record) => hex(record)),
    vectors.records.map((record) => record.hex),
  );
});

test("records are read as their vectors, wherever they are cut", () => {
  const all = unhex(vectors.records.map((record) => record.hex).join(""));
  for (let cut = 0; cut <= all.length; cut++) {
    assert.deepEqual(
      read(reader(all.subarray(0, cut), all.subarray(cut))),
      [...vectors.messages, "end"],
      `cut at ${cut}`,
    );
  }
});

test("what is no subscription is a violation", () => {
  for (const { name, hex: digits, more = "" } of vectors.violations) {
    assert.throws(() => read(reader(unhex(digits + more))), { code: "PROTOCOL_VIOLATION" }, name);
  }
});

test("a subscription is asked for as its vector", async (t) => {
  const server = await serve(t, () => undefined);
  const client = await connect(t, server);
  const seen: string[] = [];
  const parse = JSON.parse;
  t.after(() => {
    JSON.parse = parse;
  });
  JSON.parse = (text: string, ...rest: []) => {
    if (text.includes("subscribe")) seen.push(text);
    return parse(text, ...rest);
  };
  await client.subscribe(vectors.order.pattern).ready;
  assert.deepEqual(seen, [vectors.order.json]);
});
