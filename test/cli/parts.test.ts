import assert from "node:assert/strict";
import { test } from "node:test";
import { EXIT_OF_ERROR, Exit } from "../../src/cli/exit-codes.js";
import { sendCommand } from "../../src/cli/hint.js";
import { toLine } from "../../src/cli/output.js";
import { nearest } from "../../src/cli/suggest.js";

test("the exit codes are a promise", () => {
  assert.deepEqual(Exit, {
    OK: 0,
    FAILED: 1,
    USAGE: 2,
    NO_SERVER: 3,
    REFUSED: 4,
    HANDLER_FAILED: 5,
    TIMEOUT: 6,
    CONNECTION_LOST: 7,
    PROCEDURE_FAILED: 8,
  });
  assert.deepEqual(EXIT_OF_ERROR, {
    INVALID_ARGUMENT: 2,
    INVALID_ADDRESS: 2,
    ADDRESS_TOO_LONG: 2,
    ADDRESS_IN_USE: 4,
    NOT_A_SOCKET: 4,
    UNSAFE_DIRECTORY: 4,
    PERMISSION_DENIED: 4,
    PEER_REFUSED: 4,
    UNSUPPORTED: 1,
    NO_SERVER: 3,
    START_FAILED: 3,
    TIMEOUT: 6,
    CANCELLED: 1,
    CONNECTION_LOST: 7,
    CONNECTION_CLOSED: 7,
    HANDLER_FAILED: 5,
    MESSAGE_TOO_LARGE: 4,
    OVERLOADED: 4,
    VERSION_MISMATCH: 4,
    PROTOCOL_VIOLATION: 1,
    INVALID_JSON: 1,
    CONTRACT_MISMATCH: 4,
    UNKNOWN_PROCEDURE: 2,
    INVALID_INPUT: 4,
    INVALID_OUTPUT: 5,
    PROCEDURE_FAILED: 8,
    STORE_FULL: 4,
    STORE_DAMAGED: 1,
    SYSTEM_ERROR: 1,
  });
});

test("the hint is what works in another terminal, however this one was started", () => {
  const hint = (script: string, env: NodeJS.ProcessEnv, address = "demo") =>
    sendCommand(address, false, { argv: ["/usr/bin/node", script], env });
  assert.equal(hint("/src/bin/earshot.js", {}), "node /src/bin/earshot.js send demo hello");
  assert.equal(hint("/my src/bin/earshot.js", {}), "node '/my src/bin/earshot.js' send demo hello");
  const PATH = "/bin:/usr/local/bin:/p/node_modules/.bin";
  assert.equal(hint("/usr/local/bin/earshot", { PATH }), "earshot send demo hello");
  assert.equal(hint("/opt/bin/earshot", { PATH }), "/opt/bin/earshot send demo hello");
  const npx = hint("/p/node_modules/.bin/earshot", { PATH, npm_command: "exec" });
  assert.equal(npx, "/p/node_modules/.bin/earshot send demo hello");
  assert.equal(hint("/usr/local/bin/earshot", { PATH }, "unix:/it's"), "earshot send 'unix:/it'\\''s' hello");
});

test("the nearest word is one that a slip of the finger can have meant", () => {
  const commands = ["listen", "send", "ping"];
  for (const slip of ["lsten", "lisen", "liste", "listenn", "lisetn", "Listen"]) {
    assert.equal(nearest(slip, commands), "listen");
  }
  assert.equal(nearest("pnig", commands), "ping");
  assert.equal(nearest("sed", commands), "send");
  for (const other of ["", "x", "stop", "restart", "po"]) assert.equal(nearest(other, commands), undefined);
});

test("a line stays one, and does nothing to a terminal", () => {
  assert.equal(toLine("a\nb\r\n\tc"), "a b c");
  assert.equal(toLine("\x1b[31mred\x07\x9b"), "\\u001b[31mred\\u0007\\u009b");
  assert.equal(toLine("Grüße, 世界 🙂"), "Grüße, 世界 🙂");
});
