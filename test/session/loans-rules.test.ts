/** Sides that break the rules of loans, byte by byte as PROTOCOL.md has them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyMemory } from "../../src/session/body-memory.js";
import { cutAt } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { FakeMemory } from "./fake-slabs.js";
import { End, makeFramed, Pair, type Role } from "./pair.js";
import {
  DEADLINE,
  describe,
  END,
  frame,
  greeting,
  lendFrame,
  open,
  openInPieces,
  SIZE,
  slabFrame,
  TYPE,
} from "./raw.js";

const HELLO = { versions: [1, 1], features: ["loans"], limits: { loanBytes: 1_000_000, maxInFlight: 8 } };
const KIBIBYTES_64 = 65_536;

/** A side that has greeted a raw one, and the memory that it may be lent. */
function start(role: Role, bodies?: BodyMemory): { end: End; memory: FakeMemory; say: Say } {
  const memory = new FakeMemory();
  const { clock } = new Pair(makeFramed);
  const end = new End(role, clock, makeFramed, { slabs: memory, ...(bodies && { bodies }) });
  if (role === "client") end.send("the question");
  end.flush();
  end.receive(greeting(HELLO));
  end.flush();
  end.host.takeWrites();
  const say: Say = (...frames) => {
    for (const piece of frames) {
      const bytes = Buffer.isBuffer(piece) ? piece : piece(memory);
      end.receiveWith(descriptorsWith.get(bytes), bytes);
    }
    end.flush();
    return end.host.takeWrites().flatMap((write) => describe(write));
  };
  return { end, memory, say };
}

type Piece = Buffer | ((memory: FakeMemory) => Buffer);
type Say = (...frames: Piece[]) => string[];
const descriptorsWith = new WeakMap<Buffer, number[]>();

/** A LEND with a descriptor of so much memory. */
function lendNew(exchange: number, slab: number, bytes: number, slabBytes = KIBIBYTES_64, announced = 1): Piece {
  return (memory) => {
    const lend = lendFrame(exchange, slab, bytes, announced);
    descriptorsWith.set(lend, [memory.open(slabBytes)]);
    return lend;
  };
}

const empty = (exchange: number) => open(exchange, "");
const whole: readonly Piece[] = [lendNew(1, 7, 100), empty(1)];

const VIOLATIONS: readonly (readonly [why: string, frames: readonly Piece[], fact: RegExp, borrowed?: true])[] = [
  ["a slab that was never brought", [lendFrame(1, 7, 100), empty(1)], /without a descriptor, of slab 7/],
  ["a slab that is brought again", [...whole, lendNew(3, 7, 100)], /with a descriptor, of slab 7/],
  ["two descriptors", [lendNew(1, 7, 100, KIBIBYTES_64, 2)], /frame with 2 descriptors/],
  ["a descriptor that is no memory", [lendFrame(1, 7, 100, 1)], /lacks 1 descriptors/],
  ["a slab that is lent", [...whole, lendFrame(3, 7, 100)], /which is lent/, true],
  ["no bytes", [lendNew(1, 7, 0)], /LEND of 0 bytes/],
  ["more bytes than the slab has", [lendNew(1, 7, KIBIBYTES_64 + 1)], /of 65537 bytes, of 65536/],
  ["2^53 bytes", [lendNew(1, 7, 2 ** 53)], /of 9007199254740992 bytes, of 65536/],
  ["more memory than this side takes", [lendNew(1, 7, 100, 33_554_432)], /slabs of more than 16777216 bytes/],
  ["a second LEND before the first's frame", [lendNew(1, 7, 100), lendNew(1, 8, 100)], /behind a LEND/],
  ["another exchange's frame behind it", [lendNew(1, 7, 100), empty(3)], /exchange 1 before a frame of 3/],
  ["bytes of its own", [lendNew(1, 7, 100), open(1, "x")], /bytes of its own/],
  ["a message that goes on", [lendNew(1, 7, 100), frame(TYPE.OPEN, 0, 1)], /not all of its message/],
  ["a size of its own", [lendNew(1, 7, 100), frame(TYPE.OPEN, END | SIZE, 1, Buffer.alloc(8))], /bytes of its own/],
  [
    "a later frame of its message",
    [openInPieces(1, [5, 5]).subarray(0, 21), lendNew(1, 7, 100), frame(TYPE.DATA, END, 1)],
    /not all of its message/,
  ],
  ["a RETURN of what was not lent", [slabFrame(TYPE.RETURN, 1)], /RETURN of slab 1, which is not lent/],
  ["a RETIRE of what is not there", [slabFrame(TYPE.RETIRE, 7)], /RETIRE of slab 7, which is not known/],
  ["a RETIRE of what is lent", [...whole, slabFrame(TYPE.RETIRE, 7)], /RETIRE of slab 7, which is lent/, true],
  ["a RETIRE twice", [...whole, slabFrame(TYPE.RETIRE, 7), slabFrame(TYPE.RETIRE, 7)], /which is not known/],
  [
    "more slabs than 64",
    Array.from({ length: 65 }, (_, at) => [lendNew(2 * at + 1, at, 100), empty(2 * at + 1)]).flat(),
    /more than 64 slabs/,
  ],
];

for (const [why, frames, fact, borrowed] of VIOLATIONS) {
  test(`a server cuts who lends it ${why}, says why, and keeps nothing`, () => {
    const { end, memory, say } = start("server", borrowed && new BodyMemory());
    end.host.onMessage = (exchange) => end.session.reply(exchange, "");
    const said = say(...frames);
    assert.ok(
      said.some((line) => /^GOAWAY \d+ VIOLATION/.test(line)),
      said.join(),
    );
    assert.match(end.host.error?.message ?? "", fact);
    end.lose();
    for (const { message } of end.host.exchanges) message?.[Symbol.dispose]();
    for (const fd of end.host.closed) memory.files.delete(fd);
    assert.deepEqual([memory.mapped, memory.files.size], [0, 0]);
  });
}

test("a client cuts a server that breaks the same rules", () => {
  for (const [frames, fact] of [
    [[lendFrame(1, 7, 100)], /without a descriptor/],
    [[lendNew(1, 7, 100), frame(TYPE.DATA, END, 1, "x")], /bytes of its own/],
    [[lendNew(1, 7, 100), frame(TYPE.DATA, 0, 1)], /not all of its message/],
    [[lendNew(3, 7, 100), frame(TYPE.DATA, END, 1)], /exchange 3 before a frame of 1/],
    [[slabFrame(TYPE.RETURN, 1)], /not lent/],
  ] as const) {
    const { end, say } = start("client");
    say(...frames);
    assert.match(end.host.error?.message ?? "", fact);
  }
});

test("who did not say that it takes loans, or whose other side did not, is lent nothing", () => {
  for (const [features, slabs] of [
    [[], true],
    [["loans"], false],
  ] as const) {
    const memory = new FakeMemory();
    const end = new End("server", new Pair(makeFramed).clock, makeFramed, slabs ? { slabs: memory } : {});
    end.receive(greeting({ ...HELLO, features }));
    assert.equal(end.slabs?.loans, undefined);
    end.receiveWith([memory.open(KIBIBYTES_64)], lendFrame(1, 7, 100, 1));
    assert.match(end.host.error?.message ?? "", /not agreed on/);
    end.lose();
    assert.equal(end.host.closed.length, 1);
  }
});

test("control frames may come between a LEND and its frame, and fields in it", () => {
  const { end, say } = start("server");
  const deadline = Buffer.alloc(4);
  deadline.writeUInt32LE(60_000);
  const said = say(
    lendNew(1, 7, 100),
    frame(TYPE.PING, 0, 0, "12345678"),
    frame(TYPE.OPEN, END | DEADLINE, 1, deadline),
  );
  assert.deepEqual(said, ['PONG 0 "12345678"', "RETURN 7"]);
  assert.equal(end.host.exchanges[0]?.message?.byteLength, 100);
  assert.notEqual(end.host.exchanges[0]?.deadlineAt, Infinity);
});

test("a loan is the same however its frames are cut", () => {
  const length = 28 + 16;
  for (let at = 1; at < length; at++) {
    const { end, memory } = start("server");
    const fd = memory.open(KIBIBYTES_64);
    Buffer.from(memory.files.get(fd)!).fill(7);
    const bytes = Buffer.concat([lendFrame(1, 7, 100, 1), empty(1)]);
    end.receiveWith([fd], ...cutAt(bytes, [at]));
    assert.deepEqual(end.host.exchanges[0]?.message?.copy(), new Uint8Array(100).fill(7), `cut at ${at}`);
  }
});

test("an answer whose request is over gives its slab back, and keeps the rules", () => {
  const { end, say } = start("client");
  const request = new FakeRequest("another");
  end.session.send(request);
  end.flush();
  end.session.cancel(request, "CANCELLED");
  const said = say(lendNew(3, 7, 100), frame(TYPE.DATA, END, 3), lendFrame(3, 7, 100), frame(TYPE.DATA, END, 3));
  assert.deepEqual(said.slice(-2), ["RETURN 7", "RETURN 7"]);
  assert.equal(end.host.error, undefined);
});
