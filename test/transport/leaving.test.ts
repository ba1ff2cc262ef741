/** `leaveIfUnused` of every kind of listener: who comes at that instant. */
import assert from "node:assert/strict";
import { linkSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { chooseSockets, type TransportKind } from "../../src/transport/kind.js";
import { resolvePath } from "../../src/transport/resolve.js";
import type { Transport } from "../../src/transport/transport.js";
import { temporaryDirectory } from "../support/temp.js";
import { require as requires } from "../support/tools.js";
import { hasNative, ownPoller } from "./rings.js";

async function listening(t: TestContext, kind: TransportKind) {
  const directory = temporaryDirectory(t);
  const target = resolvePath(join(directory, "s"), "listen");
  const accepted: Transport[] = [];
  const errors: unknown[] = [];
  const sockets = chooseSockets(kind);
  const listener = await sockets.listen(target, {
    mode: 0o600,
    backlog: 16,
    spinUs: 0,
    onTransport: (transport) => accepted.push(transport),
    onError: (error) => errors.push(error),
  });
  t.after(() => {
    for (const transport of accepted) transport.close();
    return listener.close();
  });
  const dial = (path = target.path) =>
    sockets.dial(resolvePath(path, "dial"), { timeoutMs: 5_000, signal: undefined, spinUs: 0 }).then((transport) => {
      t.after(() => transport.close());
      return transport;
    });
  /** Where the file is while its server leaves. */
  const hidden = () => join(directory, readdirSync(directory).find((name) => name.includes(".new-")) ?? "", "s");
  return { directory, path: target.path, listener, accepted, errors, dial, hidden };
}

for (const kind of ["native", "net"] as const) {
  if (kind === "native" && !hasNative) {
    test("native listeners", (t) => void requires(t, false, "there is no addon"));
    continue;
  }
  test(`${kind}: without callers it leaves, and nothing of it stays`, async (t) => {
    const { directory, listener, dial, errors } = await listening(t, kind);
    const leaving = listener.leaveIfUnused();
    await assert.rejects(dial(), { code: "NO_SERVER" });
    assert.equal(await leaving, true);
    assert.deepEqual(readdirSync(directory), []);
    assert.equal(await listener.leaveIfUnused(), true);
    assert.deepEqual(errors, []);
  });

  test(`${kind}: who had found the file before is handed over, and the file is back, the same`, async (t) => {
    const { directory, path, listener, accepted, dial, hidden } = await listening(t, kind);
    const before = statSync(path);
    // However slow this machine is, who comes is in time.
    t.mock.timers.enable({ apis: ["setTimeout"] });
    for (const count of [1, 2]) {
      const leaving = listener.leaveIfUnused();
      await dial(hidden());
      assert.equal(await leaving, false);
      assert.equal(accepted.length, count);
      assert.deepEqual(readdirSync(directory), ["s"]);
      const { ino, mode } = statSync(path);
      assert.deepEqual([ino, mode], [before.ino, before.mode]);
    }
    await dial();
    await listener.close();
    assert.deepEqual(readdirSync(directory), []);
  });

  test(`${kind}: when another server has the path by then it leaves, after it has handed over who came`, async (t) => {
    const { directory, path, listener, accepted, dial, hidden } = await listening(t, kind);
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const leaving = listener.leaveIfUnused();
    const other = createServer().listen(join(directory, "other"));
    t.after(() => void other.close());
    await new Promise((resolve) => other.once("listening", resolve));
    linkSync(join(directory, "other"), path);
    await dial(hidden());
    assert.equal(await leaving, true);
    assert.equal(accepted.length, 1);
    assert.equal(statSync(path).ino, statSync(join(directory, "other")).ino);
    assert.deepEqual(readdirSync(directory).sort(), ["other", "s"]);
  });

  test(`${kind}: a file that is not its own any more stays`, async (t) => {
    const { directory, path, listener } = await listening(t, kind);
    rmSync(path);
    const other = createServer().listen(path);
    t.after(() => void other.close());
    await new Promise((resolve) => other.once("listening", resolve));
    assert.equal(await listener.leaveIfUnused(), true);
    assert.deepEqual(readdirSync(directory), ["s"]);
  });

  test(`${kind}: closing it meanwhile ends both`, async (t) => {
    const { directory, listener } = await listening(t, kind);
    const leaving = listener.leaveIfUnused();
    await listener.close();
    assert.equal(await leaving, true);
    assert.deepEqual(readdirSync(directory), []);
  });
}

/** Lets no socket of this thread be accepted, until what it returns is called. */
function fillTable(t: TestContext): () => void {
  const poller = ownPoller();
  const { native } = poller;
  const accept = () => {
    throw Object.assign(new Error("accept EMFILE"), { code: "EMFILE", syscall: "accept" });
  };
  const restore = () => void Object.assign(poller, { native });
  Object.assign(poller, { native: { ...native, accept } });
  t.after(restore);
  return restore;
}

async function quiet(): Promise<void> {
  for (let index = 0; index < 20; index++) await turn();
}

for (const when of ["while", "before"] as const) {
  test(`native: who comes ${when} it leaves, and cannot be accepted for want of a descriptor, is not left`, async (t) => {
    if (!requires(t, hasNative, "there is no addon")) return;
    const { listener, path, accepted, errors, dial, hidden } = await listening(t, "native");
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const restore = fillTable(t);
    if (when === "before") await dial(path);
    await quiet();
    const leaving = listener.leaveIfUnused();
    if (when === "while") await dial(hidden());
    await quiet();
    // The last call is over before the next try.
    t.mock.timers.tick(20);
    assert.equal(await leaving, false);
    assert.deepEqual([accepted.length, errors.length], [0, 1]);
    restore();
    t.mock.timers.tick(50);
    await quiet();
    assert.equal(accepted.length, 1);
  });
}
