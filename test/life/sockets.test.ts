import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Client, dial, listen } from "../../src/index.js";
import { cut, outcome, rejection, serve, socketPath, WIRES } from "../peer/support.js";
import { Child, until } from "../support/children.js";
import { temporaryDirectory } from "../support/temp.js";
import { becomes } from "./support.js";

type Test = { after(action: () => unknown): void };

async function lazily(t: Test, path: string, options = {}): Promise<Client> {
  const client = await dial(path, { connect: "lazy", ...options });
  t.after(() => cut(client));
  return client;
}

for (const wire of WIRES) {
  test(`${wire}: a client outlives its server, and what waits goes to the next`, async (t) => {
    const path = socketPath(t);
    const first = await listen(path, () => "first");
    const client = await lazily(t, path, { wire });
    assert.equal(await outcome(client.send("a")), "reply first");
    await first.close();
    assert.match(await outcome(client.send("b")), /^(NO_SERVER|CONNECTION_CLOSED) unsent$/);
    const waiting = outcome(client.send("c", { retry: "unsent" }));
    await becomes(client, "waiting");
    const second = await listen(path, () => "second");
    t.after(() => cut(second));
    assert.equal(await waiting, "reply second");
    assert.equal(await outcome(client.send("d")), "reply second");
  });
}

test("a subscription goes on with the next server when its own was killed, and says so", async (t) => {
  const path = socketPath(t);
  const server = await Child.start(t, "peer-server");
  await server.call("listen", { address: path, handler: "never", options: {} });
  const client = await lazily(t, path, { reconnect: { minDelayMs: 60_000, maxDelayMs: 60_000 } });
  const subscription = client.subscribe("a", { retry: "unsent" });
  await subscription.ready;
  const next = subscription.next();
  await server.kill();
  await becomes(client, "waiting");
  const heir = await listen(path, () => undefined);
  t.after(() => cut(heir));
  await becomes(client, "open");
  await until(async () => heir.subscriptionCount("a") === 1, "the subscription to be made again");
  await heir.publish("a", "hello");
  const { value } = await next;
  assert.deepEqual([value?.text(), value?.isAfterGap, subscription.gaps], ["hello", true, 1]);
});

test("a message that a killed server was handling is handled by the next, when its sender says that it may", async (t) => {
  const path = socketPath(t);
  const server = await Child.start(t, "peer-server");
  await server.call("listen", { address: path, handler: "never", options: {} });
  const client = await lazily(t, path);
  const [once, again] = [outcome(client.send("a")), outcome(client.send("b", { retry: "idempotent" }))];
  await until(async () => (await server.call("handled")) === 2, "both messages to be handled");
  await server.kill();
  assert.equal(await once, "CONNECTION_LOST unknown");
  const next = await listen(path, (message, { id }) => `${message.text()} ${id?.length}`);
  t.after(() => cut(next));
  assert.equal(await again, "reply b 22");
});

test("a waiting client is back within 50 ms, in the median, of the server's listening", async (t) => {
  const path = socketPath(t);
  const client = await lazily(t, path, { retry: "unsent", reconnect: { minDelayMs: 60_000, maxDelayMs: 60_000 } });
  const times: number[] = [];
  for (let round = 0; round < 21; round++) {
    const waiting = client.send("a");
    await becomes(client, "waiting");
    let listensAt = 0;
    const server = await listen(path, () => {
      return String(performance.now() - listensAt);
    });
    listensAt = performance.now();
    await waiting;
    times.push(performance.now() - listensAt);
    await server.close();
  }
  times.sort((a, b) => a - b);
  const median = times[10]!;
  t.diagnostic(`median ${median.toFixed(1)} ms, at most ${times[20]!.toFixed(1)} ms`);
  assert.ok(median <= 50, `${median} ms`);
});

test("it is seen also when the directory is not there yet, or goes and comes back", async (t) => {
  const directory = join(temporaryDirectory(t), "some", "where");
  const path = join(directory, "s");
  const client = await lazily(t, path, { retry: "unsent", reconnect: { minDelayMs: 60_000, maxDelayMs: 60_000 } });
  for (let round = 0; round < 3; round++) {
    const waiting = outcome(client.send("a"));
    await becomes(client, "waiting");
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const server = await listen(path, () => "here");
    assert.equal(await waiting, "reply here");
    await server.close();
    rmSync(join(directory, ".."), { recursive: true });
  }
});

test("a client that waits for a server keeps the process, and one that has nothing to wait for does not", async (t) => {
  const path = socketPath(t);
  const { execFile } = await import("node:child_process");
  const run = (send: string) =>
    new Promise<string>((resolve) => {
      const script = `
        import { dial } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
        const client = await dial(${JSON.stringify(path)}, { connect: "lazy", reconnect: { whenIdle: true } });
        client.reconnect();
        ${send}`;
      const args = ["--import", "tsx", "--input-type=module", "-e", script];
      execFile(process.execPath, args, { timeout: 30_000 }, (error, stdout) => resolve(error?.message ?? stdout));
    });
  assert.equal(await run(""), "");
  const sending = run(`console.log((await client.send("a", { retry: "unsent" })).text()); await client.close();`);
  const server = await listen(path, () => "late");
  t.after(() => cut(server));
  assert.equal(await sending, "late\n");
});

test("an id and headers reach the handler, and a second message of one id gets the first one's reply", async (t) => {
  let handled = 0;
  const server = await serve(t, (message, { id, headers }) => {
    handled++;
    return JSON.stringify([message.text(), id, { ...headers }, handled]);
  });
  const client = await lazily(t, server.address);
  const headers = { traceparent: "00-1", lang: "grün" };
  const text = 'reply ["a","x",{"traceparent":"00-1","lang":"grün"},1]';
  assert.equal(await outcome(client.send("a", { id: "x", headers })), text);
  assert.equal(await outcome(client.send("b", { id: "x" })), text);
  const other = await lazily(t, server.address);
  assert.equal(await outcome(other.send("b", { id: "x" })), text);
  assert.equal(await outcome(other.send("c", { headers: { a: "b" } })), 'reply ["c",null,{"a":"b"},2]');
  assert.equal(await outcome(other.send("d")), 'reply ["d",null,{},3]');
});

test("ids, headers, policies and limits that cannot be are refused by name", async (t) => {
  const server = await serve(t, () => "ok");
  const client = await lazily(t, server.address);
  const wrong: [object, RegExp][] = [
    [{ id: "" }, /^Cannot use id: "";/],
    [{ id: 5 }, /^Cannot use id: 5;/],
    [{ id: "x".repeat(129) }, /the id has 129 bytes; it may have 128/],
    [{ headers: { a: 1 } }, /^Cannot use headers: "a" is number/],
    [{ headers: { "": "x" } }, /a name of 0 bytes/],
    [{ headers: { a: "x".repeat(8_192) } }, /more than 8192 bytes together/],
    [{ headers: "x=y" }, /^Cannot use headers: x=y/],
    [{ retry: "always" }, /^Cannot use retry: "always"; it is false, "unsent" or "idempotent"/],
  ];
  for (const [options, text] of wrong) {
    const error = await rejection(client.send("a", options));
    assert.deepEqual([error.code, text.test(error.message)], ["INVALID_ARGUMENT", true], error.message);
  }
  const dials: [object, RegExp][] = [
    [{ reconnect: true }, /^Cannot use reconnect: true/],
    [{ reconnect: { minDelayMs: 0 } }, /^Cannot use reconnect.minDelayMs: 0/],
    [{ reconnect: { minDelayMs: 10, maxDelayMs: 5 } }, /^Cannot use reconnect.maxDelayMs: 5/],
    [{ maxWaiting: -1 }, /^Cannot use maxWaiting: -1/],
    [{ connect: "now" }, /^Cannot use connect: "now"/],
    [{ retry: true }, /^Cannot use retry: true/],
  ];
  for (const [options, text] of dials) assert.match((await rejection(dial(server.address, options))).message, text);
  assert.equal((await rejection(dial(server.address, { wire: "plain", retry: "idempotent" }))).code, "UNSUPPORTED");
  const plain = await lazily(t, server.address, { wire: "plain" });
  assert.equal(await outcome(plain.send("a", { id: "x" })), "UNSUPPORTED unsent");
  assert.equal(await outcome(plain.send("a")), "reply ok");
});
