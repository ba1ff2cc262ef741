import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel } from "../../src/peer/channel.js";
import { WaitingRoom } from "../../src/peer/waiting-room.js";
import { FakeRequest } from "../support/host.js";
import { FakeTime } from "../support/time.js";

const MANY = 30_000;
const CHANNEL = {} as Channel;

function prepare() {
  const time = new FakeTime();
  let looks = 0;
  const room = new WaitingRoom({ maxWaiting: 2 * MANY, maxWaitingBytes: 1e9 }, time, () => {
    looks++;
    room.expire(undefined);
    room.hand(CHANNEL);
  });
  const handed: string[] = [];
  const add = (text: string, delayMs = 0) => {
    const hand = () => void handed.push(text);
    room.add({ request: new FakeRequest(text), persists: true, notBefore: time.now() + delayMs, hand });
  };
  return { time, room, handed, add, looks: () => looks };
}

test("many that come in one turn are looked at together, and the next turn looks again", async () => {
  const { room, handed, add, looks } = prepare();
  for (let count = 0; count < 1_000; count++) {
    add("x");
    room.lookSoon();
  }
  assert.equal(looks(), 0);
  await Promise.resolve();
  assert.deepEqual([looks(), handed.length], [1, 1_000]);
  add("y");
  room.lookSoon();
  await Promise.resolve();
  assert.deepEqual([looks(), handed.length, room.isEmpty], [2, 1_001, true]);
});

test("one whose time has not come is not handed on before, and those that may go keep their order", () => {
  const { time, room, handed, add } = prepare();
  add("later", 20);
  add("first");
  add("second");
  room.hand(CHANNEL);
  assert.deepEqual(handed, ["first", "second"]);
  time.advance(40);
  assert.deepEqual([handed, room.isEmpty, time.timers.all], [["first", "second", "later"], true, 0]);
});

test(`one that is handed on costs the same, however many others (${MANY}) wait for their time`, () => {
  const { room, handed, add } = prepare();
  for (let count = 0; count < MANY; count++) add("later", 60_000);
  const startedAt = performance.now();
  for (let count = 0; count < MANY; count++) {
    add("now");
    room.hand(CHANNEL);
  }
  const tookMs = performance.now() - startedAt;
  assert.equal(handed.length, MANY);
  // Hundredths of a second; walking past all the others each time takes many seconds.
  assert.ok(tookMs < 1_500, `${tookMs} ms`);
});
