import assert from "node:assert/strict";
import { test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import { Greetings, PrefaceReader } from "../../src/session/handshake.js";
import { encodeGreeting, ownHello } from "../../src/wire/hello.js";
import { lend } from "../support/bytes.js";
import { preface } from "../wire/reference.js";

const limits = { maxMessageBytes: 1, maxInFlight: 1 };
const named = (name: string) => ownHello(limits, { name, version: "1" });
const payload = (name: string) => encodeGreeting(JSON.stringify(named(name))).subarray(24);

test("each greeting is read as it is, whoever greeted before", () => {
  const greetings = new Greetings(named("own"));
  for (const name of ["one", "one", "two", "one", "own", "onE"]) {
    lend(payload(name), (bytes) => assert.deepEqual(greetings.read(bytes), named(name)));
  }
});

test("a greeting that is refused does not become the next one's", () => {
  const greetings = new Greetings(named("own"));
  greetings.read(payload("one"));
  for (const text of ["{", "[]", ""]) assert.throws(() => greetings.read(Buffer.from(text)), EarshotError);
  assert.deepEqual(greetings.read(payload("two")), named("two"));
});

test("the preface may come in any pieces, and what follows it is left", () => {
  const bytes = Buffer.concat([preface, Buffer.from("frames")]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new PrefaceReader();
    const first = reader.take(bytes.subarray(0, cut));
    assert.equal(first, cut < 8 ? -1 : 8);
    if (first < 0) assert.equal(reader.take(bytes.subarray(cut)), 8 - cut);
  }
});
