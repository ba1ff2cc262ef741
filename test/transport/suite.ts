import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { EarshotError } from "../../src/errors.js";
import type { Transport } from "../../src/transport/transport.js";
import { pattern } from "../support/bytes.js";
import { Listener } from "./listener.js";

export type MakeTransports = (t: TestContext) => Promise<[Transport, Transport]>;

/** As many turns as anything needs that is on its way already. */
async function quiet(): Promise<void> {
  for (let index = 0; index < 20; index++) await turn();
}

/** Writes until the other side's buffers are full; returns how much it wrote. */
function fill(transport: Transport, seed: number): Buffer {
  const parts: Buffer[] = [];
  for (let isRoom = true; isRoom; ) {
    const part = pattern(50_000, seed + parts.length);
    parts.push(part);
    isRoom = transport.write([part]);
  }
  return Buffer.concat(parts);
}

/** Sends all of it in chunks of many sizes, with a pause for each drain. */
async function send(transport: Transport, listener: Listener, bytes: Buffer): Promise<void> {
  let offset = 0;
  for (let index = 1; offset < bytes.length; index++) {
    const first = bytes.subarray(offset, offset + ((index * 7_919) % 300_000) + 1);
    const second = bytes.subarray(offset + first.length, offset + first.length + ((index * 31) % 100));
    offset += first.length + second.length;
    const drains = listener.events.filter((event) => event === "drain").length;
    if (transport.write([first, second])) continue;
    await listener.until(
      () => listener.has("close") || listener.events.filter((event) => event === "drain").length > drains,
    );
  }
}

/** What every kind of transport must do; `src/transport/transport.ts` says it in words. */
export function testTransport(name: string, make: MakeTransports): void {
  const connect = async (t: TestContext): Promise<[Transport, Listener, Transport, Listener]> => {
    const [left, right] = await make(t);
    t.after(() => {
      left.close();
      right.close();
    });
    return [left, new Listener(left), right, new Listener(right)];
  };

  describe(`the ${name} transport`, { timeout: 60_000 }, () => {
    test("carries bytes both ways, in order", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      left.write([Buffer.from("hel"), Buffer.from("lo")]);
      left.write([Buffer.from(" world")]);
      right.write([Buffer.from("and back")]);
      await rightListener.until(() => rightListener.receivedBytes === 11);
      await leftListener.until(() => leftListener.receivedBytes === 8);
      assert.equal(rightListener.received.toString(), "hello world");
      assert.equal(leftListener.received.toString(), "and back");
    });

    test("carries 64 MiB in both directions at once, byte for byte, to readers that pause", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      const [out, back] = [pattern(67_108_864, 1), pattern(67_108_864, 2)];
      for (const [transport, listener] of [
        [left, leftListener],
        [right, rightListener],
      ] as const) {
        let reads = 0;
        listener.onEvent = () => {
          reads++;
          if (reads % 50 !== 0) return;
          transport.pause();
          setImmediate(() => transport.resume());
        };
      }
      const sent = [send(left, leftListener, out), send(right, rightListener, back)];
      await rightListener.until(() => rightListener.receivedBytes === out.length);
      await leftListener.until(() => leftListener.receivedBytes === back.length);
      await Promise.all(sent);
      assert.equal(rightListener.received.equals(out), true, "what came out is not what went in");
      assert.equal(leftListener.received.equals(back), true, "what came back is not what went in");
    });

    test("delivers nothing before start, and everything after", async (t) => {
      const [left, right] = await make(t);
      t.after(() => right.close());
      new Listener(left);
      left.write([Buffer.from("early")]);
      left.end();
      await quiet();
      const listener = new Listener(right);
      assert.deepEqual(listener.events, []);
      await listener.until(() => listener.has("end"));
      assert.equal(listener.received.toString(), "early");
    });

    test("tells nothing from within a call", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      left.write([Buffer.from("x")]);
      left.end();
      right.pause();
      right.resume();
      left.close();
      assert.deepEqual([leftListener.events, rightListener.events], [[], []]);
      await leftListener.until(() => leftListener.has("close"));
    });

    test("write says false when the other side does not read, and onDrain follows when it does", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      right.pause();
      await quiet();
      const written = fill(left, 1);
      await quiet();
      assert.equal(leftListener.has("drain"), false);
      right.resume();
      await leftListener.until(() => leftListener.has("drain"));
      await rightListener.until(() => rightListener.receivedBytes === written.length);
      assert.equal(rightListener.received.equals(written), true);
      assert.equal(left.write([Buffer.from("x")]), true);
    });

    test("what write took with true may be overwritten at once, and with false after onDrain", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      const buffer = Buffer.alloc(3_000_000);
      for (const [size, seed] of [
        [100, 1],
        [3_000_000, 2],
        [1_000, 3],
      ] as const) {
        const before = rightListener.receivedBytes;
        leftListener.events.length = 0;
        const content = pattern(size, seed);
        content.copy(buffer);
        if (!left.write([buffer.subarray(0, size)])) await leftListener.until(() => leftListener.has("drain"));
        buffer.fill(0);
        await rightListener.until(() => rightListener.receivedBytes === before + size);
        assert.equal(rightListener.received.subarray(before).equals(content), true);
      }
      right.close();
    });

    test("end is a half-close: the other side sees it after the last byte, and may go on writing", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      const question = pattern(1_000_000);
      left.write([question]);
      left.end();
      await rightListener.until(() => rightListener.has("end"));
      assert.equal(rightListener.received.equals(question), true);
      assert.deepEqual(rightListener.events, ["bytes", "end"]);
      right.write([Buffer.from("an answer")]);
      await leftListener.until(() => leftListener.receivedBytes === 9);
      assert.equal(leftListener.has("close"), false);
      right.end();
      await leftListener.until(() => leftListener.has("close"));
      await rightListener.until(() => rightListener.has("close"));
      assert.deepEqual(leftListener.events.slice(-2), ["end", "close"]);
      assert.deepEqual([leftListener.error, rightListener.error], [undefined, undefined]);
    });

    test("delivers nothing while it is paused, neither bytes nor end", async (t) => {
      const [left, , right, rightListener] = await connect(t);
      right.pause();
      // What is on its way already may come once; nothing is.
      await quiet();
      left.write([Buffer.from("hello")]);
      left.end();
      await quiet();
      assert.deepEqual(rightListener.events, []);
      right.resume();
      await rightListener.until(() => rightListener.has("end"));
      assert.equal(rightListener.received.toString(), "hello");
    });

    test("can be paused and resumed from within onBytes", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      const bytes = pattern(2_000_000);
      rightListener.onEvent = () => {
        right.pause();
        setImmediate(() => right.resume());
      };
      await send(left, leftListener, bytes);
      await rightListener.until(() => rightListener.receivedBytes === bytes.length);
      assert.equal(rightListener.received.equals(bytes), true);
    });

    test("reads to where it is asked to, and hands it over all the same", async (t) => {
      const [left, leftListener, , rightListener] = await connect(t);
      const bytes = pattern(1_000_000);
      rightListener.into = Buffer.alloc(10_000);
      await send(left, leftListener, bytes);
      await rightListener.until(() => rightListener.receivedBytes === bytes.length);
      assert.equal(rightListener.received.equals(bytes), true);
    });

    test("close ends both sides: onClose comes once and last, on both", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      left.write([Buffer.from("the last words")]);
      left.close();
      left.close();
      await leftListener.until(() => leftListener.has("close"));
      await rightListener.until(() => rightListener.has("end"));
      right.end();
      await rightListener.until(() => rightListener.has("close"));
      await quiet();
      assert.deepEqual(leftListener.events, ["close"]);
      assert.deepEqual(
        rightListener.events.filter((event) => event !== "drain"),
        ["bytes", "end", "close"],
      );
      assert.equal(rightListener.received.toString(), "the last words");
    });

    test("close from within onBytes lets nothing more come", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      rightListener.onEvent = () => right.close();
      await Promise.race([
        send(left, leftListener, pattern(3_000_000)),
        leftListener.until(() => leftListener.has("close")),
      ]);
      await rightListener.until(() => rightListener.has("close"));
      assert.deepEqual(rightListener.events, ["bytes", "close"]);
      assert.equal(rightListener.parts.length, 1);
    });

    test("close drops what waits inside, and the writer hears of no drain", async (t) => {
      const [left, leftListener, right] = await connect(t);
      right.pause();
      await quiet();
      fill(left, 1);
      left.close();
      await leftListener.until(() => leftListener.has("close"));
      assert.deepEqual(leftListener.events, ["close"]);
    });

    test("a peer that vanishes while it is written to is an error that says so", async (t) => {
      const [left, leftListener, right] = await connect(t);
      right.pause();
      await quiet();
      fill(left, 1);
      right.close();
      await leftListener.until(() => leftListener.has("close"));
      assert.equal(leftListener.error instanceof EarshotError, true);
      assert.equal(leftListener.error?.code, "CONNECTION_LOST");
    });

    test("what had come before the peer vanished is delivered first", async (t) => {
      const [left, leftListener, right] = await connect(t);
      const last = pattern(5_000);
      left.pause();
      await quiet();
      right.write([last]);
      right.close();
      await quiet();
      left.resume();
      await leftListener.until(() => leftListener.has("end") || leftListener.has("close"));
      assert.equal(leftListener.received.equals(last), true);
    });

    test("write, end, pause and resume after close do no harm", async (t) => {
      const [left, leftListener] = await connect(t);
      left.close();
      await leftListener.until(() => leftListener.has("close"));
      assert.equal(left.write([Buffer.from("too late")]), true);
      left.end();
      left.pause();
      left.resume();
      left.close();
      await quiet();
      assert.deepEqual(leftListener.events, ["close"]);
    });

    test("write after end does no harm, and the other side gets nothing of it", async (t) => {
      const [left, leftListener, right, rightListener] = await connect(t);
      left.write([Buffer.from("all")]);
      left.end();
      assert.equal(left.write([Buffer.from("too late")]), true);
      await rightListener.until(() => rightListener.has("end"));
      assert.equal(rightListener.received.toString(), "all");
      right.end();
      await leftListener.until(() => leftListener.has("close"));
      assert.equal(leftListener.error, undefined);
    });

    test("a write of empty chunks is out at once and brings nothing", async (t) => {
      const [left, , , rightListener] = await connect(t);
      left.write([Buffer.alloc(0), Buffer.from("x"), Buffer.alloc(0)]);
      await rightListener.until(() => rightListener.receivedBytes === 1);
      await quiet();
      assert.equal(rightListener.parts.length, 1);
    });
  });
}
