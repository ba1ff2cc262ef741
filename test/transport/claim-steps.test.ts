import assert from "node:assert/strict";
import { lstatSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bindSocketFile } from "../../src/transport/socket-file.js";
import {
  compileFixture,
  leaveStaleSocket,
  makeGate,
  openGate,
  Starter,
  waitAtGate,
  whoAnswers,
} from "../support/starter.js";
import { temporaryDirectory, temporaryServer } from "../support/temp.js";

/** The calls of a server that replaces a stale file, in their order. */
const STEPS = [
  ["mkdtempSync", 1, "after"],
  ["chmodSync", 1, "before"],
  ["chmodSync", 1, "after"],
  ["linkSync", 1, "after"],
  ["linkSync", 2, "before"],
  ["linkSync", 2, "after"],
  ["renameSync", 1, "before"],
  ["renameSync", 1, "after"],
  ["rmSync", 1, "before"],
  ["rmSync", 1, "after"],
] as const;

for (const [at, nth, when] of STEPS) {
  test(`a server killed ${when} ${at} (${nth}) is in nobody's way, and what it left is swept`, async (t) => {
    const program = await compileFixture(t, "starter");
    const directory = temporaryDirectory(t);
    const path = join(directory, "a.sock");
    await leaveStaleSocket(path);
    const starter = await Starter.start(t, program);
    await starter.order({ do: "trap", at, nth, when });
    assert.equal(await starter.order({ do: "listen", path }), undefined);

    age(directory);
    const server = temporaryServer(t);
    await bindSocketFile(server, path);
    assert.deepEqual(readdirSync(directory), ["a.sock"]);
    server.close();
    assert.deepEqual(readdirSync(directory), []);
  });
}

test("a chain of starters, each killed with the right to the one before, is taken over", async (t) => {
  const program = await compileFixture(t, "starter");
  const directory = temporaryDirectory(t);
  const path = join(directory, "a.sock");
  await leaveStaleSocket(path);
  for (const length of [1, 2, 3]) {
    const starter = await Starter.start(t, program);
    // Its last link is the right that is free.
    await starter.order({ do: "trap", at: "linkSync", nth: length + 1, when: "after" });
    assert.equal(await starter.order({ do: "listen", path }), undefined);
    assert.equal(rights(directory).length, length);
  }
  age(directory);
  const server = temporaryServer(t);
  await bindSocketFile(server, path);
  assert.deepEqual(readdirSync(directory), ["a.sock"]);
  server.close();
});

test("the right to an inode that is no longer there is swept, and a living right is left alone", async (t) => {
  const program = await compileFixture(t, "starter");
  const [directory, gates] = [temporaryDirectory(t), temporaryDirectory(t)];
  const path = join(directory, "a.sock");
  await leaveStaleSocket(path);
  const [dead, alive] = [await Starter.start(t, program), await Starter.start(t, program)];
  await dead.order({ do: "trap", at: "linkSync", nth: 2, when: "after" });
  assert.equal(await dead.order({ do: "listen", path }), undefined);
  // Another inode: the right of the dead one is void now.
  await leaveStaleSocket(path);
  const gate = makeGate(gates, "gate");
  await alive.order({ do: "trap", at: "linkSync", nth: 2, when: "after", gate });
  const late = alive.order({ do: "listen", path });
  await waitAtGate(gate);
  assert.equal(rights(directory).length, 2);

  const server = temporaryServer(t);
  // By hand, as somebody who does not know of rights.
  rmSync(path);
  await bindSocketFile(server, path);
  assert.equal(rights(directory).length, 1);
  await openGate(gate);
  assert.equal((await late)?.result, "ADDRESS_IN_USE");
  server.close();
  age(directory);
  await bindSocketFile(server, path);
  assert.deepEqual(readdirSync(directory), ["a.sock"]);
  server.close();
});

test("a server that has verified the stale file, and stands still, cannot be overtaken and then evict", async (t) => {
  const program = await compileFixture(t, "starter");
  const [directory, gates] = [temporaryDirectory(t), temporaryDirectory(t)];
  const path = join(directory, "a.sock");
  await leaveStaleSocket(path);
  const [first, second] = [await Starter.start(t, program), await Starter.start(t, program)];
  const gate = makeGate(gates, "gate");
  await first.order({ do: "trap", at: "renameSync", nth: 1, when: "before", gate });
  const firstOutcome = first.order({ do: "listen", path });
  await waitAtGate(gate);
  // It waits for some seconds for the first one to go on or to die.
  assert.equal((await second.order({ do: "listen", path }))?.result, "ADDRESS_IN_USE");
  await openGate(gate);
  assert.equal((await firstOutcome)?.result, "listening");
  assert.equal(await whoAnswers(path), first.pid);
});

test("a server that comes late with the right to a file already replaced gives it back", async (t) => {
  const program = await compileFixture(t, "starter");
  const [directory, gates] = [temporaryDirectory(t), temporaryDirectory(t)];
  const path = join(directory, "a.sock");
  await leaveStaleSocket(path);
  const starters = await Promise.all([1, 2, 3].map(() => Starter.start(t, program)));
  const [late, quick, next] = starters as [Starter, Starter, Starter];

  const [lateGate, backGate] = [makeGate(gates, "late"), makeGate(gates, "back")];
  await late.order({ do: "trap", at: "rmSync", nth: 1, when: "after", gate: backGate });
  await late.order({ do: "trap", at: "linkSync", nth: 2, when: "before", gate: lateGate });
  const lateOutcome = late.order({ do: "listen", path });
  await waitAtGate(lateGate);
  assert.equal((await quick.order({ do: "listen", path }))?.result, "listening");
  await quick.kill();
  // Now another stale file is there, and another server has the right to that one and is about to replace it.
  const nextGate = makeGate(gates, "next");
  await next.order({ do: "trap", at: "renameSync", nth: 1, when: "before", gate: nextGate });
  const nextOutcome = next.order({ do: "listen", path });
  await waitAtGate(nextGate);
  const { ino } = lstatSync(path);

  await openGate(lateGate);
  await waitAtGate(backGate);
  assert.equal(lstatSync(path).ino, ino);
  await openGate(backGate);
  await openGate(nextGate);
  assert.equal((await nextOutcome)?.result, "listening");
  assert.equal((await lateOutcome)?.result, "ADDRESS_IN_USE");
  assert.equal(await whoAnswers(path), next.pid);
});

function rights(directory: string): string[] {
  return readdirSync(directory).filter((entry) => entry.includes(".take-"));
}

/** Private directories are only swept when they are some seconds old. */
function age(directory: string): void {
  for (const entry of readdirSync(directory)) {
    if (entry.includes(".new-")) utimesSync(join(directory, entry), 0, 0);
  }
}
