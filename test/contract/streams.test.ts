import assert from "node:assert/strict";
import { test } from "node:test";
import { contract, isError, procedure, type } from "../../src/contract/index.js";
import { MemoryLogger } from "../support/logger.js";
import { all, calling, later, rejection, serving, unused, weather } from "./support.js";

test("what a server yields arrives in order, from any kind of iterable", async (t) => {
  const counts = contract("counts", "1.0.0", {
    upTo: procedure({ input: type<[string, number]>(), yields: type<number>() }),
  });
  const server = await serving(t, counts, {
    upTo: ([kind, count]) => {
      const numbers = Array.from({ length: count }, (_, index) => index);
      if (kind === "array") return numbers;
      if (kind === "web") return ReadableStream.from(numbers);
      return (async function* () {
        yield* numbers;
      })();
    },
  });
  const api = await calling(t, server, counts);
  for (const kind of ["array", "web", "generator"]) {
    assert.deepEqual(await all(api.upTo([kind, 3])), [0, 1, 2]);
    assert.deepEqual(await all(api.upTo([kind, 0])), []);
    assert.equal((await all(api.upTo([kind, 30_000]))).length, 30_000);
  }
});

test("items arrive while the next ones are still being made", async (t) => {
  const more = later();
  const server = await serving(t, weather, {
    ...unused,
    async *watch() {
      yield { celsius: 1 };
      await more.promise;
      yield { celsius: 2 };
    },
  });
  const stream = (await calling(t, server, weather)).watch("Riga");
  assert.deepEqual(await stream.next(), { value: { celsius: 1 }, done: false });
  const [second, end, after] = [stream.next(), stream.next(), stream.next()];
  more.resolve();
  assert.deepEqual(await second, { value: { celsius: 2 }, done: false });
  assert.deepEqual(
    [await end, await after],
    [
      { value: undefined, done: true },
      { value: undefined, done: true },
    ],
  );
});

test("leaving the loop runs the generator's finally, and aborts its signal", async (t) => {
  const left = later<boolean>();
  const server = await serving(t, weather, {
    ...unused,
    async *watch(_city, { signal }) {
      try {
        for (let celsius = 0; ; celsius++) yield { celsius };
      } finally {
        left.resolve(signal.aborted);
      }
    },
  });
  const api = await calling(t, server, weather);
  for await (const { celsius } of api.watch("Riga")) if (celsius === 5) break;
  assert.equal(await left.promise, true);
  assert.deepEqual(await api.admin.users.list(), []);
});

test("a caller that reads nothing holds the server back, and no other stream", async (t) => {
  let yielded = 0;
  const server = await serving(t, weather, {
    ...unused,
    async *watch(city) {
      for (let celsius = 0; city === "stuck" || celsius < 1_000; celsius++) {
        if (city === "stuck") yielded++;
        yield { celsius };
      }
    },
  });
  const api = await calling(t, server, weather);
  const stuck = api.watch("stuck");
  await stuck.next();
  assert.equal((await all(api.watch("other"))).length, 1_000);
  assert.ok(yielded < 200_000, `${yielded} items were made for nobody`);
  await stuck.return();
});

test("a client stream gets one reply, also where it has an input or no items", async (t) => {
  const server = await serving(t, weather, {
    ...unused,
    upload: async (chunks) => {
      let total = 0;
      for await (const { bytes } of chunks) total += bytes;
      return { total };
    },
  });
  const api = await calling(t, server, weather);
  assert.deepEqual(await api.upload([{ bytes: 1 }, { bytes: 2 }]), { total: 3 });
  assert.deepEqual(await api.upload([]), { total: 0 });
  const many = (async function* () {
    for (let index = 0; index < 20_000; index++) yield { bytes: 1 };
  })();
  assert.deepEqual(await api.upload(many), { total: 20_000 });
});

test("a handler that replies early stops the caller's iterator", async (t) => {
  const server = await serving(t, weather, { ...unused, upload: async () => ({ total: -1 }) });
  const api = await calling(t, server, weather);
  const returned = later();
  const endless = (async function* () {
    try {
      for (;;) yield { bytes: 1 };
    } finally {
      returned.resolve();
    }
  })();
  assert.deepEqual(await api.upload(endless), { total: -1 });
  await returned.promise;
});

test("both sides stream at once, each item answered before the next is sent", async (t) => {
  const server = await serving(t, weather, {
    ...unused,
    async *chat(lines) {
      for await (const line of lines) yield line.toUpperCase();
    },
    async *tagged(tag, lines) {
      for await (const line of lines) yield `${tag} ${line}`;
    },
  });
  const api = await calling(t, server, weather);
  const answers: string[] = [];
  let answered = later();
  const questions = (async function* () {
    for (const question of ["a", "b", "c"]) {
      yield question;
      await answered.promise;
    }
  })();
  for await (const answer of api.chat(questions)) {
    answers.push(answer);
    const last = answered;
    answered = later();
    last.resolve();
  }
  assert.deepEqual(answers, ["A", "B", "C"]);
  assert.deepEqual(await all(api.tagged(7, ["x", "y"])), ["7 x", "7 y"]);
});

test("errors come behind the items before them: declared as they are, others without detail", async (t) => {
  const logger = new MemoryLogger();
  const server = await serving(
    t,
    weather,
    {
      ...unused,
      async *watch(city, { errors }) {
        for (let celsius = 0; celsius < 3_000; celsius++) yield { celsius };
        throw city === "gone" ? errors.Gone(7) : new Error("secret");
      },
    },
    { logger },
  );
  const api = await calling(t, server, weather);
  for (const city of ["gone", "other"]) {
    const items: unknown[] = [];
    const reading = (async () => {
      for await (const item of api.watch(city)) items.push(item);
    })();
    const error = await rejection(reading);
    assert.equal(items.length, 3_000);
    if (city === "gone") assert.ok(isError(weather.watch, error, "Gone") && error.data === 7);
    else assert.deepEqual([error.code, /secret/.test(error.message)], ["HANDLER_FAILED", false]);
  }
  assert.equal(logger.at("error").length, 1);
});

test("items are checked where inputs and outputs are", async (t) => {
  const handlers = {
    ...unused,
    watch: () => [{ celsius: 1 }, { celsius: "warm" }] as never,
    upload: async (chunks: AsyncIterable<{ bytes: number }>) => ({ total: (await all(chunks)).length }),
  };
  for (const validate of [true, false]) {
    const server = await serving(t, weather, handlers, { validate });
    const api = await calling(t, server, weather);
    const stream = api.watch("Riga");
    assert.deepEqual((await stream.next()).value, { celsius: 1 });
    const error = await rejection(stream.next());
    assert.deepEqual([error.code, error.issues?.[0]?.path], ["INVALID_OUTPUT", ["celsius"]]);
    assert.equal((await stream.next()).done, true);
    assert.equal((await rejection(api.upload([{ bytes: 1 }, { bytes: "many" } as never]))).code, "INVALID_INPUT");
    assert.equal((await rejection(all(api.watch(5 as never)))).code, "INVALID_INPUT");
  }
});

test("an item of the server's that cannot be sent ends its call, first or later, and nothing else", async (t) => {
  const anything = contract("anything", "1.0.0", {
    watch: procedure({ input: type<number>(), yields: type<unknown>() }),
  });
  const server = await serving(t, anything, { watch: (before) => [...Array(before).fill("fine"), new Uint8Array(3)] });
  const api = await calling(t, server, anything, { codec: "json" });
  for (const before of [0, 1, 3]) {
    const stream = api.watch(before);
    for (let item = 0; item < before; item++) assert.equal((await stream.next()).value, "fine");
    assert.equal((await rejection(stream.next())).code, "INVALID_OUTPUT");
  }
});

test("items that fail or cannot be sent reject the call, and break off the handler's loop", async (t) => {
  const [started, broken] = [later(), later<unknown>()];
  const server = await serving(t, weather, {
    ...unused,
    upload: async (chunks) => {
      started.resolve();
      try {
        return { total: (await all(chunks)).length };
      } catch (error) {
        broken.resolve(error);
        throw error;
      }
    },
  });
  const api = await calling(t, server, weather);
  const failing = (async function* () {
    yield { bytes: 1 };
    await started.promise;
    throw new Error("no more disk");
  })();
  const error = await rejection(api.upload(failing));
  assert.deepEqual([error.code, (error.cause as Error).message], ["CANCELLED", "no more disk"]);
  assert.equal(((await broken.promise) as { code?: string }).code, "CANCELLED");
  const unsendable = await rejection(api.upload([{ bytes: () => {} } as never]));
  assert.deepEqual(
    [unsendable.code, /the item cannot be sent: a function/.test(unsendable.message)],
    ["INVALID_ARGUMENT", true],
  );
  assert.equal((await rejection(api.upload(5 as never))).code, "INVALID_ARGUMENT");
});
