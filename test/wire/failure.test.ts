import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EarshotError } from "../../src/errors.js";
import {
  decodeFailure,
  encodeFailure,
  FailureCode,
  type FailureName,
  isFailureName,
  MAX_FAILURE_TEXT,
} from "../../src/wire/failure.js";
import { unhex } from "../support/bytes.js";

const names = Object.keys(FailureCode) as FailureName[];
const payloadOf = (code: FailureName, text = "", remoteCode = "") =>
  encodeFailure(4, 1, { code, text, remoteCode }).subarray(16);

test("a failure arrives as it was sent, in any language", () => {
  const text = fc.string({ maxLength: 200, unit: "grapheme" }).filter(({ length }) => length <= 200);
  fc.assert(
    fc.property(fc.constantFrom(...names), text, text, (code, fact, remoteCode) => {
      assert.deepEqual(decodeFailure(payloadOf(code, fact, remoteCode)), { code, text: fact, remoteCode });
    }),
  );
});

test("its longest texts fit a control frame, and longer ones are cut to them", () => {
  const payload = payloadOf("HANDLER_FAILED", "€".repeat(5_000), "€".repeat(5_000));
  assert.equal(MAX_FAILURE_TEXT, 2_000);
  assert.equal(payload.length, 4 + 3 * 200 + 3 * 2_000);
  assert.equal(decodeFailure(payload).text, "€".repeat(2_000));
  assert.equal(decodeFailure(payload).remoteCode, "€".repeat(200));
});

test("an unknown code reads as CONNECTION_CLOSED, with its texts", () => {
  for (const code of ["0c00", "ff00", "ffff"]) {
    assert.deepEqual(decodeFailure(unhex(`${code} 0100 41 4243`)), {
      code: "CONNECTION_CLOSED",
      remoteCode: "A",
      text: "BC",
    });
  }
});

test("fewer than 4 bytes, or fields beyond the end, are a violation; exactly to the end is not", () => {
  assert.equal(decodeFailure(unhex("0100 0100 41")).remoteCode, "A");
  for (const digits of ["", "01", "010001", "0100 0100", "0100 0200 41"]) {
    assert.throws(
      () => decodeFailure(unhex(digits)),
      (error: unknown) => error instanceof EarshotError && error.code === "PROTOCOL_VIOLATION",
    );
  }
});

test("only the codes on the list can travel", () => {
  assert.equal(names.every(isFailureName), true);
  for (const code of ["INVALID_JSON", "toString", "__proto__", ""]) assert.equal(isFailureName(code), false);
});
