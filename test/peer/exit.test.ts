import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { Child } from "../support/children.js";
import { compileFixture } from "../support/starter.js";
import { serve, socketPath } from "./support.js";

const ways = [
  "closed server",
  "closed server and clients",
  "server that closes while its client stays",
  "given up sends",
  "failed dial",
];

for (const way of ways) {
  test(`a process with a ${way} ends by itself, and in no time`, async (t) => {
    const program = await compileFixture(t, "peer-exit");
    const startedAt = performance.now();
    const args = [program, socketPath(t), way];
    const { stderr } = await promisify(execFile)(process.execPath, args, { timeout: 10_000 });
    assert.equal(stderr, "");
    assert.ok(performance.now() - startedAt < 5_000);
  });
}

for (const wire of ["framed", "plain"]) {
  test(`a ${wire} client's process that has closed ends while the server goes on`, async (t) => {
    const server = await serve(t, () => "ok");
    const child = await Child.start(t, "peer-client", [server.address, wire, "5", "close"]);
    assert.deepEqual(await child.ended, { code: 0, signal: null });
    assert.deepEqual(child.said, [{ sent: 5 }, { outcomes: { reply: 5 } }]);
  });
}
