/**
 * A model of how the two sides of a ring sleep and wake each other, and all orders of their steps. Each step is one access
 * to a word of `src/transport/ring.ts`, or one system call on the bell; between two steps of one side the other may take any
 * number of its own. That the processor keeps to such an order is what `Atomics` promises, and the litmus test looks for.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

const SIZE = 2;
const ASLEEP = 1;
const AWAKE = 2;

/** All there is. Positions are numbers that only grow: the real ones differ by their remainder. */
interface World {
  readonly head: number;
  readonly tail: number;
  readonly sleep: number;
  readonly waiting: number;
  /** Rings that each side has not heard yet: of the bell of the reader, and of the writer. */
  readonly readerBell: number;
  readonly writerBell: number;
  readonly writer: Thread;
  readonly reader: Thread;
}

/** Where a side is in its program, what it has put or taken, and what it has read last. */
interface Thread {
  readonly at: string;
  readonly own: number;
  readonly seen: number;
}

type Program = Readonly<Record<string, (world: World) => Partial<World> | undefined>>;

const TOTAL = 5;

function writer(at: string, change: Partial<Thread> = {}) {
  return ({ writer: thread }: World) => ({ ...thread, ...change, at });
}

function reader(at: string, change: Partial<Thread> = {}) {
  return ({ reader: thread }: World) => ({ ...thread, ...change, at });
}

/** `undefined`: it cannot go on until the other side does something. */
const WRITER: Program = {
  // put, with the tail as it was seen; then publish
  put: (world) => {
    const { own, seen } = world.writer;
    if (own === TOTAL) return { writer: writer("done")(world) };
    if (own - seen < SIZE) return { writer: writer("publish", { own: own + 1 })(world) };
    return { writer: writer("look")(world) };
  },
  look: (world) => {
    const isFull = world.writer.own - world.tail === SIZE;
    return { writer: writer(isFull ? "ask" : "put", { seen: world.tail })(world) };
  },
  publish: (world) => ({ head: world.writer.own, writer: writer("is it asleep")(world) }),
  "is it asleep": (world) => ({ writer: writer(world.sleep === ASLEEP ? "wake" : "put")(world) }),
  wake: (world) =>
    world.sleep === ASLEEP ? { sleep: AWAKE, writer: writer("ring")(world) } : { writer: writer("put")(world) },
  ring: (world) => ({ readerBell: world.readerBell + 1, writer: writer("put")(world) }),
  // waitForRoom
  ask: (world) => ({ waiting: 1, writer: writer("look again")(world) }),
  "look again": (world) => {
    const isFull = world.writer.own - world.tail === SIZE;
    return { writer: writer(isFull ? "wait" : "take back", { seen: world.tail })(world) };
  },
  "take back": (world) => ({ waiting: 0, writer: writer("put")(world) }),
  wait: (world) =>
    world.writerBell === 0 ? undefined : { writerBell: world.writerBell - 1, writer: writer("look")(world) },
  // A ring that came for nothing is heard, and changes nothing.
  done: () => undefined,
};

const READER: Program = {
  look: (world) => {
    if (world.head > world.reader.own) return { reader: reader("take", { seen: world.head })(world) };
    return { reader: reader(world.reader.own === TOTAL ? "done" : "lie down")(world) };
  },
  take: (world) => ({
    tail: world.reader.own + 1,
    reader: reader("does it wait", { own: world.reader.own + 1 })(world),
  }),
  "does it wait": (world) => {
    const isHalfFree = world.reader.seen - world.reader.own <= SIZE / 2;
    return { reader: reader(world.waiting === 1 && isHalfFree ? "wake" : "look")(world) };
  },
  wake: (world) =>
    world.waiting === 1 ? { waiting: 0, reader: reader("ring")(world) } : { reader: reader("look")(world) },
  ring: (world) => ({ writerBell: world.writerBell + 1, reader: reader("look")(world) }),
  // sleep
  "lie down": (world) => ({ sleep: ASLEEP, reader: reader("look again")(world) }),
  "look again": (world) => ({ reader: reader(world.head > world.reader.own ? "get up" : "sleep")(world) }),
  "get up": (world) => ({ sleep: AWAKE, reader: reader("look")(world) }),
  sleep: (world) =>
    world.readerBell === 0 ? undefined : { readerBell: world.readerBell - 1, reader: reader("look")(world) },
  done: () => undefined,
};

const START: World = {
  head: 0,
  tail: 0,
  sleep: 0,
  waiting: 0,
  readerBell: 0,
  writerBell: 0,
  writer: { at: "put", own: 0, seen: 0 },
  reader: { at: "look", own: 0, seen: 0 },
};

/** Every world that can be reached; those in which nobody can go on are the ends. */
function explore(writerProgram: Program, readerProgram: Program): { readonly worlds: number; readonly ends: World[] } {
  const known = new Set<string>();
  const ends: World[] = [];
  const open = [START];
  for (let world = open.pop(); world !== undefined; world = open.pop()) {
    const key = JSON.stringify(world);
    if (known.has(key)) continue;
    known.add(key);
    const steps = [writerProgram[world.writer.at]?.(world), readerProgram[world.reader.at]?.(world)];
    const next = steps.filter((step) => step !== undefined);
    if (next.length === 0) ends.push(world);
    for (const step of next) open.push({ ...world, ...step });
  }
  return { worlds: known.size, ends };
}

function lost({ ends }: { readonly ends: World[] }): World[] {
  return ends.filter(({ writer, reader }) => writer.at !== "done" || reader.at !== "done");
}

test("in every order of steps, everything is written and read, and nobody sleeps for ever", () => {
  const explored = explore(WRITER, READER);
  assert.ok(explored.worlds > 1_000, `only ${explored.worlds} worlds`);
  assert.notEqual(explored.ends.length, 0);
  assert.deepEqual(lost(explored), []);
});

test("a reader that lies down without looking again is found by the model", () => {
  const careless: Program = { ...READER, "lie down": (world) => ({ sleep: ASLEEP, reader: reader("sleep")(world) }) };
  assert.notEqual(lost(explore(WRITER, careless)).length, 0);
});

test("a writer that asks for room without looking again is found by the model", () => {
  const careless: Program = { ...WRITER, ask: (world) => ({ waiting: 1, writer: writer("wait")(world) }) };
  assert.notEqual(lost(explore(careless, READER)).length, 0);
});

test("a writer that looks whether the reader sleeps before it publishes is found by the model", () => {
  const careless: Program = {
    ...WRITER,
    put: (world) => {
      const step = WRITER.put?.(world);
      return step?.writer?.at === "publish" ? { ...step, writer: { ...step.writer, at: "is it asleep" } } : step;
    },
    "is it asleep": (world) => ({ writer: writer(world.sleep === ASLEEP ? "wake" : "publish")(world) }),
    ring: (world) => ({ readerBell: world.readerBell + 1, writer: writer("publish")(world) }),
    publish: (world) => ({ head: world.writer.own, writer: writer("put")(world) }),
  };
  assert.notEqual(lost(explore(careless, READER)).length, 0);
});
