import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { type App, type Client, type DialOptions, dial, EarshotError, listen } from "../../src/index.js";
import { isNewer } from "../../src/peer/newer-version.js";
import { checkApp } from "../../src/peer/options.js";
import { makeLeave } from "../../src/peer/replace.js";
import { Child } from "../support/children.js";
import { Daemons } from "../support/daemons.js";
import { compileFixture } from "../support/starter.js";
import { connect, cut, Gate, outcome, rejection, serve, socketPath } from "./support.js";

const tool = (version: string, accepts = [version]): App => ({ name: "test", version, accepts });
const replacing = (version: string): DialOptions => ({ app: tool(version), onMismatch: "replace" });

test("an upgraded tool makes the old daemon leave, which finishes what it has, and starts the new one", async (t) => {
  const daemons = await Daemons.prepare(t);
  const old = await connect(t, daemons, { start: daemons.start({ version: "1.9.0" }), reconnect: false });
  const waiting = outcome(old.send("wait"));
  await old.ping();
  const options = { ...replacing("1.10.0"), start: daemons.start({ version: "1.10.0" }) };
  const client = await connect(t, daemons, options);
  assert.deepEqual(client.serverApp, { name: "test", version: "1.10.0" });
  const [first = 0, second] = daemons.pids("begun");
  assert.equal(await outcome(client.send("who?")), `reply ${second}`);
  // It takes nothing new, and has until the end of its grace for what it has.
  assert.equal(await outcome(old.send("finish")), "CONNECTION_CLOSED unsent");
  process.kill(first, "SIGKILL");
  assert.equal(await waiting, "CONNECTION_LOST unknown");
  assert.equal(daemons.pids("begun").length, 2);
});

test("its handlers finish, and their callers are answered", async (t) => {
  const gate = new Gate();
  const server = await serve(t, () => gate.opened.then(() => "finished"), { app: { name: "test", version: "1.0.0" } });
  const client = await connect(t, server);
  const sending = outcome(client.send("x"));
  await client.ping();
  const successor = listenAgain(server.address);
  const next = await connect(t, server, replacing("2.0.0"));
  gate.open();
  assert.equal(await sending, "reply finished");
  await server.closed;
  assert.equal(await outcome(next.send("x")), "reply new");
  await cut(await successor);
});

/** As a service manager does: the next server as soon as the address is free. */
async function listenAgain(address: string) {
  for (;;) {
    try {
      return await listen(address, () => "new", { app: { name: "test", version: "2.0.0" } });
    } catch (error) {
      if ((error as { code?: string }).code !== "ADDRESS_IN_USE") throw error;
    }
  }
}

test("many upgraded tools at once replace it once", async (t) => {
  const daemons = await Daemons.prepare(t);
  const old = await connect(t, daemons, { start: daemons.start({ version: "1.0.0" }) });
  await old.close();
  const program = await compileFixture(t, "start-client");
  const processes = await Promise.all([1, 2, 3].map(() => Child.startCompiled(t, program)));
  const options = { ...replacing("2.0.0"), start: daemons.start({ version: "2.0.0" }) };
  const order = { address: daemons.address, options, count: 5 };
  const replies = (await Promise.all(processes.map((child) => child.call("race", order)))).flat();
  const pids = daemons.pids("begun");
  assert.equal(pids.length, 2);
  assert.deepEqual(replies, Array(15).fill(String(pids[1])));
});

const kept: { what: string; server: App | undefined; version?: string; why: RegExp }[] = [
  {
    what: "a newer server",
    server: { name: "test", version: "2.0.0" },
    why: /only a newer version replaces an older one/,
  },
  { what: "another application", server: { name: "other", version: "0.1.0" }, why: /it is another application$/ },
  { what: "a server that does not say its version", server: undefined, why: /it does not say which version it is$/ },
  { what: "versions that have no order", server: { name: "test", version: "lemon" }, why: /only a newer version/ },
];

for (const { what, server: app, why } of kept) {
  test(`${what}: it stays, and the mismatch is told`, async (t) => {
    const server = await serve(t, () => "still here", { app });
    const error = await rejection(dial(server.address, replacing("1.0.0")));
    assert.deepEqual([error.code, error.op, error.address], ["VERSION_MISMATCH", "dial", server.address]);
    assert.match(error.message, /^Cannot dial "[^"]*": this side is test 1\.0\.0, the other .*; it was not replaced: /);
    assert.match(error.message, why);
    assert.equal(await outcome((await connect(t, server)).send("x")), "reply still here");
  });
}

test("a server whose handOver is false stays, and so does one over net whose file lets others in", async (t) => {
  for (const options of [{ handOver: false }, { transport: "net", mode: 0o660 } as const]) {
    const server = await serve(t, () => "still here", { ...options, app: { name: "test", version: "1.0.0" } });
    const error = await rejection(dial(server.address, replacing("2.0.0")));
    assert.equal(error.code, "VERSION_MISMATCH");
    assert.match(error.message, /; it does not leave when it is asked to: .*(option handOver|only the same user)/);
    assert.equal(await outcome((await connect(t, server)).send("x")), "reply still here");
  }
});

test("without start the next one is waited for, and if none comes it is told that the old one has left", async (t) => {
  const server = await serve(t, () => "old", { app: { name: "test", version: "1.0.0" } });
  const error = await rejection(dial(server.address, { ...replacing("2.0.0"), connectTimeoutMs: 200 }));
  assert.equal(error.code, "NO_SERVER");
  assert.match(error.message, /the older server has left as it was asked to, but no other has come after 200 ms/);
  await server.closed;
});

test("a new daemon that does not suit either is not replaced again", async (t) => {
  const daemons = await Daemons.prepare(t);
  await connect(t, daemons, { start: daemons.start({ version: "1.0.0" }) });
  const start = daemons.start({ version: "1.1.0" });
  const error = await rejection(dial(daemons.address, { ...replacing("2.0.0"), start }));
  assert.equal(error.code, "VERSION_MISMATCH");
  assert.match(error.message, /the other is test 1\.1\.0/);
  assert.equal(daemons.pids("begun").length, 2);
});

test("an older server that is met on a later connection is replaced as well, also by who dials lazily", async (t) => {
  const path = socketPath(t);
  const versioned = (version: string) =>
    listen(path, (message) => `${message.text()} by ${version}`, { app: { name: "test", version } });
  const lazy = await dial(path, { ...replacing("2.0.0"), connect: "lazy", retry: "unsent" });
  t.after(() => cut(lazy));
  const first = await versioned("2.0.0");
  const client = await dial(path, replacing("2.0.0"));
  t.after(() => cut(client));
  assert.equal(await outcome(client.send("a")), "reply a by 2.0.0");
  await first.close();
  for (const each of [client, lazy]) {
    const older = await versioned("1.0.0");
    const sending = outcome(each.send("b", { retry: "unsent" }));
    await older.closed;
    const successor = await listenAgain(older.address);
    assert.equal(await sending, "reply new");
    await successor.close();
  }
});

/** An old server's client: it leaves when it is asked to, and then stands still. */
function frozen() {
  let onClosed: (error: EarshotError) => void = () => {};
  const closed = new Promise<EarshotError>((resolve) => {
    onClosed = resolve;
  });
  const asked = new Gate();
  const client = {
    closed,
    ping: async () => ({ roundTripMs: 1, app: { name: "test", version: "1.0.0" } }),
    system: async () => asked.open(),
    close: async () => onClosed(new EarshotError("CONNECTION_CLOSED", "closed")),
  };
  return { client: client as unknown as Client, asked: asked.opened };
}

test("an old server that stands still as it leaves is waited for until the signal aborts, or for 5 s", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const mismatch = new EarshotError("VERSION_MISMATCH", "too old");
  const own = checkApp(tool("2.0.0"));
  for (const isAborted of [true, false]) {
    const controller = new AbortController();
    const { client, asked } = frozen();
    const leaving = makeLeave({ own, mismatch, signal: controller.signal }, async () => client);
    await asked;
    await new Promise((resolve) => setImmediate(resolve));
    if (isAborted) controller.abort();
    else t.mock.timers.tick(5_000);
    await leaving;
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  }
});

test("replace needs to know what does not match", async (t) => {
  const app = { name: "test", version: "1.0.0" };
  for (const options of [{}, { app }]) {
    const error = await rejection(dial(socketPath(t), { ...options, onMismatch: "replace" }));
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.match(error.message, /without app\.accepts/);
  }
  const error = await rejection(dial(socketPath(t), { onMismatch: "evict" } as unknown as DialOptions));
  assert.match(error.message, /^Cannot use onMismatch: "evict"/);
});

test("versions are ordered as semver.org says", () => {
  // The example of its section 11, and what people write besides.
  const ascending = ["0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"];
  ascending.push("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "v1.0.1", "1.2", "1.10.0", "2", "2024.11.3");
  for (const [index, one] of ascending.entries()) {
    for (const [at, other] of ascending.entries()) assert.equal(isNewer(one, other), index > at, `${one} ${other}`);
  }
  for (const same of [
    ["1.0.0", "1.0.0+build"],
    ["1", "1.0.0"],
    ["lemon", "1.0.0"],
    ["1.0.0", "lemon"],
    ["1.0.0 ", "0.1.0"],
  ]) {
    assert.equal(isNewer(same[0]!, same[1]!), false, same.join());
  }
});
