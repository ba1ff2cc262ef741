import assert from "node:assert/strict";
import { test } from "node:test";
import type { App, AppInfo } from "../../src/index.js";
import { MemoryLogger } from "../support/logger.js";
import { connect, outcome, rejection, serve } from "./support.js";

const weather = (version: string, accepts?: App["accepts"]): App =>
  accepts === undefined ? { name: "weather", version } : { name: "weather", version, accepts };

test("both sides learn the other's name and version, or that it has none", async (t) => {
  const seen: (AppInfo | undefined)[] = [];
  const accepts = (other: AppInfo | undefined) => seen.push(other) > 0;
  const server = await serve(t, () => "ok", { app: weather("2.1.0", accepts) });
  const named = await connect(t, server, { app: { name: "umbrella", version: "0.3.0" } });
  const nameless = await connect(t, server);
  assert.equal(await outcome(named.send("a")), "reply ok");
  assert.equal(await outcome(nameless.send("a")), "reply ok");
  assert.deepEqual(named.serverApp, { name: "weather", version: "2.1.0" });
  assert.deepEqual(seen, [{ name: "umbrella", version: "0.3.0" }, undefined]);
});

/** Which versions a list accepts: itself, and what begins with it and a dot. */
const lists: { accepts: string[]; version: string; isAccepted: boolean }[] = [
  { accepts: ["2"], version: "2", isAccepted: true },
  { accepts: ["2"], version: "2.1.0", isAccepted: true },
  { accepts: ["2"], version: "20.1.0", isAccepted: false },
  { accepts: ["2.1"], version: "2.10.0", isAccepted: false },
  { accepts: ["1", "2.1"], version: "2.1.9", isAccepted: true },
  { accepts: ["2.1.9"], version: "2.1.9-beta", isAccepted: false },
  { accepts: [], version: "2.1.9", isAccepted: false },
];

for (const { accepts, version, isAccepted } of lists) {
  const verb = isAccepted ? "takes" : "refuses";
  test(`a client that accepts ${JSON.stringify(accepts)} ${verb} a server of version ${version} at dial`, async (t) => {
    const server = await serve(t, () => "ok", { app: weather(version) });
    const dialing = connect(t, server, { app: weather("2.0.0", accepts) });
    if (isAccepted) {
      const client = await dialing;
      assert.deepEqual(client.serverApp, { name: "weather", version });
      assert.equal(await outcome(client.send("a")), "reply ok");
      return;
    }
    const error = await rejection(dialing);
    assert.deepEqual([error.code, error.op, error.address], ["VERSION_MISMATCH", "dial", server.address]);
    assert.match(error.message, /^Cannot dial ".*": this side is weather 2\.0\.0, the other is weather /);
    assert.ok(error.message.includes(`weather ${version},`), error.message);
    assert.match(error.message, /restart the older of the two/);
  });

  test(`a server that accepts ${JSON.stringify(accepts)} ${verb} a client of version ${version} at send`, async (t) => {
    let handled = 0;
    const logger = new MemoryLogger();
    const options = { app: weather("2.0.0", accepts), logger };
    const server = await serve(t, () => String(++handled), options);
    const client = await connect(t, server, { app: weather(version), reconnect: false });
    if (isAccepted) {
      assert.equal(await outcome(client.send("a")), "reply 1");
      return;
    }
    const error = await rejection(client.send("a"));
    assert.deepEqual([error.code, error.op, error.delivery], ["VERSION_MISMATCH", "send", "unsent"]);
    assert.match(error.message, /this side is weather 2\.0\.0, the other is weather /);
    assert.equal(handled, 0);
    assert.equal((await rejection(client.send("b"))).code, "VERSION_MISMATCH");
    assert.equal((await client.closed)?.code, "VERSION_MISMATCH");
    assert.deepEqual(
      logger.at().map(({ level, error: logged }) => [level, logged?.code]),
      [["warn", "VERSION_MISMATCH"]],
    );
  });
}

test("a list means an application of the same name, and one that says what it is", async (t) => {
  const server = await serve(t, () => "ok", { app: { name: "tide", version: "2.0.0" } });
  const nameless = await serve(t, () => "ok");
  const options = { app: weather("2.0.0", ["2"]) };
  const other = await rejection(connect(t, server, options));
  assert.match(other.message, /this side is weather 2\.0\.0, the other is tide 2\.0\.0/);
  const unknown = await rejection(connect(t, nameless, options));
  assert.equal(unknown.code, "VERSION_MISMATCH");
  assert.match(unknown.message, /the other does not say what it is/);
});

test("a function decides with the other's name and version", async (t) => {
  const server = await serve(t, () => "ok", { app: weather("2.0.0") });
  const seen: (AppInfo | undefined)[] = [];
  const decide = (answer: boolean) => (other: AppInfo | undefined) => {
    seen.push(other);
    return answer;
  };
  const client = await connect(t, server, { app: weather("1.0.0", decide(true)) });
  assert.equal(await outcome(client.send("a")), "reply ok");
  const error = await rejection(connect(t, server, { app: weather("1.0.0", decide(false)) }));
  assert.equal(error.code, "VERSION_MISMATCH");
  assert.deepEqual(seen, Array(2).fill({ name: "weather", version: "2.0.0" }));
});

test("a function that throws refuses the other side, and says why", async (t) => {
  const accepts = () => {
    throw new Error("cannot read the list");
  };
  const server = await serve(t, () => "ok", { app: weather("2.0.0") });
  const error = await rejection(connect(t, server, { app: weather("1.0.0", accepts) }));
  assert.equal(error.code, "VERSION_MISMATCH");
  assert.match(error.message, /cannot read the list/);
  const refusing = await serve(t, () => "ok", { app: weather("2.0.0", accepts) });
  assert.equal(await outcome((await connect(t, refusing)).send("a")), "VERSION_MISMATCH unsent");
  assert.equal(await outcome((await connect(t, refusing, { wire: "plain" })).send("a")), "reply ok");
});

test("a server's refusal also rejects a dial that waits, and many sends at once", async (t) => {
  let handled = 0;
  const server = await serve(t, () => String(++handled), { app: weather("2.0.0", ["2"]) });
  const client = await connect(t, server, { app: weather("1.0.0") });
  const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(client.send("a"))));
  assert.deepEqual(new Set(outcomes), new Set(["VERSION_MISMATCH unsent"]));
  assert.equal(handled, 0);
});

test("a client that gives up before its server greets: TIMEOUT and CANCELLED at dial", async (t) => {
  const { createServer } = await import("node:net");
  const { socketPath } = await import("./support.js");
  const path = socketPath(t);
  const silent = createServer((socket) => socket.resume().on("error", () => {}));
  await new Promise<void>((resolve) => silent.listen(path, resolve));
  t.after(() => void silent.close());
  const app = weather("1.0.0", ["1"]);
  const late = await rejection(connect(t, { address: path }, { app, connectTimeoutMs: 60 }));
  assert.deepEqual([late.code, late.op], ["TIMEOUT", "dial"]);
  const controller = new AbortController();
  const dialing = rejection(connect(t, { address: path }, { app, signal: controller.signal }));
  silent.once("connection", () => controller.abort("enough"));
  const given = await dialing;
  assert.deepEqual([given.code, given.op], ["CANCELLED", "dial"]);
});
