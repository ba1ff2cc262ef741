import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { formatBytes, formatUs, toJson, toText } from "../../src/cli/bench-report.js";
import { Latencies } from "../../src/cli/latencies.js";
import { load } from "../../src/cli/load.js";
import { listen } from "../../src/index.js";
import { earshot, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { LIMIT } from "./helpers.js";

const SHORT = ["--seconds", "0.05"];

function latencies(...all: readonly number[]): Latencies {
  const found = new Latencies();
  for (const us of all) found.add(us);
  return found;
}

test("quantiles are within a hundredth, and the shortest and longest exact, in the same memory however many there are", () => {
  const all = latencies(...Array.from({ length: 10_000 }, (_, index) => (index + 1) / 10));
  assert.equal(all.count, 10_000);
  assert.equal(all.quantile(0), 0.1);
  assert.equal(all.quantile(1), 1_000);
  for (const part of [0.01, 0.5, 0.9, 0.99, 0.999]) {
    const relative = all.quantile(part) / (part * 1_000);
    assert.ok(Math.abs(relative - 1) <= 0.011, `${part}: ${relative}`);
  }
  assert.ok(Number.isNaN(latencies().quantile(0.5)));
});

test("latencies of nothing, and of more than an hour, have a place", () => {
  const all = latencies(0, -1, 1e12);
  assert.equal(all.count, 3);
  assert.equal(all.quantile(1), 1e12);
  assert.equal(
    Array.from(all.buckets(), ([, count]) => count).reduce((a, b) => a + b),
    3,
  );
});

test("numbers have units and three digits", () => {
  assert.deepEqual([0.1234, 9.994, 123.4, 999.6, 12_345, 2_500_000].map(formatUs), [
    "0.123 µs",
    "9.99 µs",
    "123 µs",
    "1.00 ms",
    "12.3 ms",
    "2.50 s",
  ]);
  assert.deepEqual([1, 64, 1_023, 1_024, 1_536, 1_048_576, 5.5e9].map(formatBytes), [
    "1 B",
    "64 B",
    "1023 B",
    "1 KiB",
    "1.50 KiB",
    "1 MiB",
    "5.12 GiB",
  ]);
});

test("the histogram fits its columns, whatever they are, and shows what is rare", () => {
  const all = latencies(...Array.from({ length: 999 }, () => 10), 500, 20);
  for (const columns of [20, 40, 80, 1_000]) {
    const text = toText({ address: "unix:/x", bytes: 64, inFlight: 1, latencies: all, seconds: 1 }, columns);
    const bars = text.split("\n").filter((line) => /%$/.test(line));
    assert.ok(bars.length >= 2, text);
    for (const line of bars) assert.ok(line.length <= Math.max(36, Math.min(columns, 100)), line);
    assert.match(text, /▏ 0\.1%/);
  }
});

test("when all take the same time, and when nothing has come back, there is a text, too", () => {
  const rest = { address: "unix:/x", inFlight: 1, seconds: 1 };
  assert.match(
    toText({ ...rest, bytes: undefined, latencies: latencies(5, 5, 5) }, 80),
    /100\.0%[\s\S]* 3 a second\n$/,
  );
  assert.match(toText({ ...rest, bytes: 64, latencies: latencies() }, 80), /none has come back/);
  assert.match(JSON.stringify(toJson({ ...rest, bytes: 64, latencies: latencies() })), /"count":0,"perSecond":0/);
});

test("load keeps as many under way as it is told, and ends with the first that fails", LIMIT, async () => {
  let underWay = 0;
  let most = 0;
  let left = 100;
  const exchange = async () => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
    if (--left < 0) throw new Error("enough");
  };
  const { signal } = new AbortController();
  const options = { address: "unix:/x", exchange, inFlight: 7, durationMs: 50_000, timeoutMs: 0, signal };
  await assert.rejects(load(options), /enough/);
  assert.equal(most, 7);
  // The others do not go on.
  const before = left;
  while (underWay > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(left >= before - 7);
});

test("load ends at once when it is told to, also when no answer comes", LIMIT, async () => {
  const controller = new AbortController();
  const exchange = () => {
    controller.abort();
    return new Promise(() => {});
  };
  const { signal } = controller;
  const result = await load({ address: "x", exchange, inFlight: 1, durationMs: 1e6, timeoutMs: 0, signal });
  assert.equal(result.latencies.count, 0);
});

test("bench without an address measures a server of its own, and leaves nothing", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const env = { ...process.env, XDG_RUNTIME_DIR: directory };
  const { code, stdout, stderr } = await run(t, ["bench", ...SHORT], { env });
  assert.equal(stderr, "");
  assert.equal(code, 0);
  const heads = stdout.toString().match(/^messages of .*(?=, for)/gm);
  assert.deepEqual(heads, [
    "messages of 64 B, 1 in flight",
    "messages of 64 B, 256 in flight",
    "messages of 1 MiB, 8 in flight",
  ]);
  assert.match(stdout.toString(), /\n {2}[\d,]+ a second, [\d.]+ [KMG]iB\/s\n/);
  assert.deepEqual(existsSync(join(directory, "earshot")) ? readdirSync(join(directory, "earshot")) : [], []);
});

test("bench goes by the lane that it is told", LIMIT, async (t) => {
  const env = { ...process.env, XDG_RUNTIME_DIR: temporaryDirectory(t) };
  for (const lane of ["auto", "socket", "shared"]) {
    const { code, stdout, stderr } = await run(t, ["bench", ...SHORT, "--bytes", "64", "--lane", lane], { env });
    assert.equal(stderr, "");
    assert.equal(code, 0);
    assert.match(stdout.toString(), /^messages of 64 B, 1 in flight/);
  }
});

test("bench ADDRESS pings: no handler is asked", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listen(path, () => assert.fail("a ping is no message"));
  t.after(() => server.close({ graceMs: 0 }));
  const { code, stdout, stderr } = await run(t, ["bench", path, ...SHORT, "--in-flight", "3"]);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.match(stdout.toString(), /^pings, 3 in flight, for /);
});

test("bench ADDRESS --bytes sends messages, and --json tells what has come of them", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const sizes = new Set<number>();
  const server = await listen(path, ({ byteLength }) => void sizes.add(byteLength));
  t.after(() => server.close({ graceMs: 0 }));
  const { code, stdout } = await run(t, ["bench", path, ...SHORT, "--bytes", "1000", "--json"]);
  assert.equal(code, 0);
  const { latencyUs, histogramUs, count, ...rest } = JSON.parse(stdout.toString());
  assert.deepEqual(
    { ...rest, seconds: 0, perSecond: 0, bytesPerSecond: 0 },
    {
      ok: true,
      address: `unix:${path}`,
      what: "message",
      bytes: 1_000,
      inFlight: 1,
      seconds: 0,
      perSecond: 0,
      bytesPerSecond: 0,
    },
  );
  assert.deepEqual([...sizes], [1_000]);
  assert.equal(
    histogramUs.reduce((sum: number, [, bucket]: [number, number]) => sum + bucket, 0),
    count,
  );
  assert.ok(latencyUs.min <= latencyUs.p50 && latencyUs.p50 <= latencyUs.p99 && latencyUs.p99 <= latencyUs.max);
});

test("bench ends when it is told to, and prints what there is", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  let messages = 0;
  let onMany = () => {};
  const many = new Promise<void>((resolve) => {
    onMany = resolve;
  });
  const server = await listen(path, () => {
    if (++messages === 100) onMany();
  });
  t.after(() => server.close({ graceMs: 0 }));
  const program = earshot(t, ["bench", path, "--bytes", "1", "--seconds", "1000"]);
  await many;
  program.signal("SIGINT");
  const { signal, stdout, stderr } = await program.ended;
  assert.equal(signal, "SIGINT");
  assert.equal(stderr, "");
  assert.match(stdout.toString(), /^messages of 1 B, 1 in flight, for /);
});

test("the server of bench ends with it, also when that is killed", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const env = { ...process.env, XDG_RUNTIME_DIR: directory };
  const program = earshot(t, ["bench", "--bytes", "1", "--seconds", "1000", "--verbose"], { env });
  await program.says("stderr", "client connected");
  const place = join(directory, "earshot");
  assert.equal(readdirSync(place).filter((name) => name.endsWith(".sock")).length, 1);
  program.signal("SIGKILL");
  await program.ended;
  while (readdirSync(place).some((name) => name.endsWith(".sock"))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test("bench exits with 6 when nothing comes back, and 3 when there is no server", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const server = await listen(path, () => new Promise(() => {}));
  t.after(() => server.close({ graceMs: 0 }));
  const silent = await run(t, ["bench", path, "--bytes", "1", "--timeout-ms", "200"]);
  assert.match(silent.stderr, /^earshot: Cannot measure unix:.*: no reply within 200 ms\n$/);
  assert.equal(silent.code, 6);
  const plain = join(directory, "plain");
  const other = createServer((socket) => socket.end()).listen(plain);
  t.after(() => other.close());
  assert.notEqual((await run(t, ["bench", plain, ...SHORT])).code, 0);
  assert.equal((await run(t, ["bench", join(directory, "none"), ...SHORT])).code, 3);
});

for (const [args, text] of [
  [["--bytes", "0"], "--bytes"],
  [["--bytes", "1073741825"], "1073741824 is the most"],
  [["--in-flight", "0"], "a number from 1 to 65536"],
  [["--in-flight", "65537"], "a number from 1 to 65536"],
  [["--seconds", "0"], "--seconds"],
  [["--seconds", "1e3"], "--seconds"],
  [["--lane", "fast"], "it is one of auto, socket, shared"],
  [["x", "y"], "one too many"],
] as const) {
  test(`bench ${args.join(" ")} is refused`, LIMIT, async (t) => {
    const { code, stderr } = await run(t, ["bench", ...args]);
    assert.equal(code, 2);
    assert.ok(stderr.includes(text), stderr);
    assert.match(stderr, /earshot bench --help\n$/);
  });
}
