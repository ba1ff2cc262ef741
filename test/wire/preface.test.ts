import assert from "node:assert/strict";
import { test } from "node:test";
import { detectWire } from "../../src/wire/preface.js";
import { unhex } from "../support/bytes.js";

const preface = unhex("c1 65 61 72 73 68 6f 74");

test("the preface, and whatever follows it, is the framed wire", () => {
  assert.equal(detectWire(preface), "framed");
  assert.equal(detectWire(Buffer.concat([preface, Buffer.from("anything")])), "framed");
});

test("fewer than 8 bytes that agree with it decide nothing", () => {
  for (let length = 0; length < 8; length++) assert.equal(detectWire(preface.subarray(0, length)), "undecided");
});

test("the first byte that differs makes it the plain wire, wherever it is", () => {
  for (let index = 0; index < 8; index++) {
    const bytes = Buffer.from(preface);
    bytes[index]! ^= 1;
    assert.equal(detectWire(bytes), "plain");
    assert.equal(detectWire(bytes.subarray(0, index + 1)), "plain");
    if (index > 0) assert.equal(detectWire(bytes.subarray(0, index)), "undecided");
  }
});

test("no text and no MessagePack begins like the preface", () => {
  for (const text of ["{}", "earshot", "\u00c1earshot", "Áearshot", "\ud83d", "hello", "\0"]) {
    assert.equal(detectWire(Buffer.from(text)), "plain");
  }
  // 0xc1 is the one byte that MessagePack never uses, and UTF-8 never has it.
  assert.equal(preface[0], 0xc1);
});
