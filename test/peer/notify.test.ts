import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { SOCK_DGRAM, WOULD_BLOCK } from "../../src/native/binding.js";
import type { ListenOptions } from "../../src/peer/listen-options.js";
import { listen, type Server } from "../../src/peer/server.js";
import { until } from "../support/children.js";
import { MemoryLogger } from "../support/logger.js";
import { NotifySocket, requireNative } from "../support/manager.js";
import { Program, ROOT } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };

/** Sets what a manager would; gives it back after the test. */
function setEnvironment(t: TestContext, variables: NodeJS.ProcessEnv): void {
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
  });
  Object.assign(process.env, variables);
}

async function serve(t: TestContext, options: ListenOptions = {}): Promise<Server> {
  const server = await listen(join(temporaryDirectory(t), "s"), () => "", options);
  t.after(() => server.close({ graceMs: 0 }));
  return server;
}

for (const kind of ["path", "abstract"] as const) {
  test(
    `the manager, at a socket with ${kind === "path" ? "a path" : "an abstract name"}, is told the beginning and the end`,
    LIMIT,
    async (t) => {
      const native = requireNative(t);
      if (native === undefined) return;
      const manager = new NotifySocket(t, native, kind);
      setEnvironment(t, { NOTIFY_SOCKET: manager.name });
      const server = await serve(t);
      await manager.expect("READY=1");
      const closed = server.close();
      // Before it has ended: that may take as long as its handlers do.
      assert.deepEqual(manager.read(), ["READY=1", "STOPPING=1"]);
      await closed;
      await server.close();
      assert.deepEqual(manager.read(), ["READY=1", "STOPPING=1"]);
    },
  );
}

test("a server that was aborted before it was ready never was", LIMIT, async (t) => {
  const native = requireNative(t);
  if (native === undefined) return;
  const manager = new NotifySocket(t, native);
  setEnvironment(t, { NOTIFY_SOCKET: manager.name });
  const controller = new AbortController();
  const server = serve(t, { signal: controller.signal });
  controller.abort();
  await (await server).closed;
  assert.deepEqual(manager.read(), []);
});

test("several servers are one service, which stops with the last", LIMIT, async (t) => {
  const native = requireNative(t);
  if (native === undefined) return;
  const manager = new NotifySocket(t, native);
  setEnvironment(t, { NOTIFY_SOCKET: manager.name });
  const [one, two] = [await serve(t), await serve(t)];
  await one.close();
  assert.deepEqual(manager.read(), ["READY=1", "READY=1"]);
  await two.close();
  assert.deepEqual(manager.read(), ["READY=1", "READY=1", "STOPPING=1"]);
});

test("with notify: false a server is none of the manager's business", LIMIT, async (t) => {
  const native = requireNative(t);
  if (native === undefined) return;
  const manager = new NotifySocket(t, native);
  setEnvironment(t, { NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: "2000" });
  const server = await serve(t, { notify: false });
  await delay(20);
  await server.close();
  assert.deepEqual(manager.read(), []);
});

test("the watchdog gets a sign of life at half of its period, until the server closes", LIMIT, async (t) => {
  const native = requireNative(t);
  if (native === undefined) return;
  const manager = new NotifySocket(t, native);
  setEnvironment(t, { NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: "100000", WATCHDOG_PID: String(process.pid) });
  const startedAt = performance.now();
  const server = await serve(t);
  await until(() => manager.read().length >= 5, "signs of life");
  const elapsedMs = performance.now() - startedAt;
  // Four of them, 50 ms apart; timers may be a little early.
  assert.ok(elapsedMs > 190, `${elapsedMs} ms`);
  await server.close();
  const told = [...manager.read()];
  assert.equal(told.at(-1), "STOPPING=1");
  assert.deepEqual(new Set(told.slice(1, -1)), new Set(["WATCHDOG=1"]));
  await delay(150);
  assert.deepEqual(manager.read(), told);
});

for (const [what, variables] of [
  ["another process is watched", { WATCHDOG_USEC: "2000", WATCHDOG_PID: "1" }],
  ["none is", { WATCHDOG_USEC: "0" }],
  ["its period is no number", { WATCHDOG_USEC: "soon" }],
] as const) {
  test(`no signs of life when ${what}`, LIMIT, async (t) => {
    const native = requireNative(t);
    if (native === undefined) return;
    const manager = new NotifySocket(t, native);
    setEnvironment(t, { NOTIFY_SOCKET: manager.name, ...variables });
    await serve(t);
    await delay(20);
    assert.deepEqual(manager.read(), ["READY=1"]);
  });
}

test("a manager whose queue is full is told later", LIMIT, async (t) => {
  const native = requireNative(t);
  if (native === undefined) return;
  const manager = new NotifySocket(t, native);
  const fd = native.socket(SOCK_DGRAM);
  t.after(() => native.close(fd));
  native.connect(fd, Buffer.from(manager.name));
  let count = 0;
  while (native.write(fd, [Buffer.from("x")]) !== WOULD_BLOCK) count++;
  setEnvironment(t, { NOTIFY_SOCKET: manager.name });
  const logger = new MemoryLogger();
  await serve(t, { logger });
  await manager.expect(...Array<string>(count).fill("x"), "READY=1");
  assert.deepEqual(logger.at(), []);
});

for (const [what, name, fact] of [
  ["is not there", "/nowhere/notify", /^cannot tell the service manager READY=1: connect ENOENT$/],
  ["has too long a name", `/${"x".repeat(120)}`, /^cannot tell the service manager READY=1: an address has 1 to 107/],
] as const) {
  test(`a manager that ${what} is a warning, once, and nothing more`, LIMIT, async (t) => {
    if (requireNative(t) === undefined) return;
    setEnvironment(t, { NOTIFY_SOCKET: name, WATCHDOG_USEC: "2000" });
    const logger = new MemoryLogger();
    const server = await serve(t, { logger });
    await delay(20);
    await server.close();
    assert.equal(logger.at("warn", "error").length, 1);
    assert.match(logger.at("warn")[0]?.text ?? "", fact);
  });
}

test("without the addon it is a warning that the manager cannot be told", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  cpSync(join(ROOT, "dist"), join(directory, "dist"), { recursive: true });
  const program = `
    import { listen } from "${directory}/dist/index.js";
    const silent = () => {};
    const logger = { debug: silent, info: silent, warn: (_, text) => console.log(text), error: console.log };
    const server = await listen("${directory}/s", silent, { logger });
    await server.close();`;
  const env = { ...process.env, NOTIFY_SOCKET: "/nowhere", EARSHOT_TRANSPORT: "auto" };
  const { stdout } = await new Program(t, process.execPath, ["--input-type=module", "--eval", program], { env }).ended;
  const lines = stdout.toString().split("\n");
  const told = lines.filter((line) => line.startsWith("cannot tell the service manager"));
  assert.match(told.join("\n"), /^cannot tell the service manager READY=1: the native addon is not built.*$/);
});
