import assert from "node:assert/strict";
import { test } from "node:test";
import { clientOf, contract, procedure, type } from "../../src/contract/index.js";
import { all, calling, later, rejection, serving, unused, weather } from "./support.js";

test("a deadline is for all of a stream", async (t) => {
  const aborted = later();
  const server = await serving(t, weather, {
    ...unused,
    async *watch(_city, { signal }) {
      signal.addEventListener("abort", () => aborted.resolve());
      for (let celsius = 0; ; celsius++) {
        yield { celsius };
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  });
  const api = await calling(t, server, weather);
  assert.equal((await rejection(all(api.watch("Riga", { timeoutMs: 40 })))).code, "TIMEOUT");
  await aborted.promise;
});

test("an unfinished stream rejects with its cause when the connection dies, and so does the other side's", async (t) => {
  const [heard, ended] = [later(), later<unknown>()];
  const server = await serving(t, weather, {
    ...unused,
    async *watch() {
      yield { celsius: 1 };
      await new Promise(() => {});
    },
    async *chat(lines) {
      try {
        for await (const line of lines) {
          heard.resolve();
          if (line === "never") yield line;
        }
      } catch (error) {
        ended.resolve(error);
        throw error;
      }
    },
  });
  const api = await calling(t, server, weather);
  const stream = api.watch("Riga");
  await stream.next();
  const lines = (async function* () {
    yield "a";
    await new Promise(() => {});
  })();
  const chat = rejection(api.chat(lines).next() as Promise<unknown>);
  await heard.promise;
  const waiting = rejection(stream.next());
  void clientOf(api).close();
  void clientOf(api).close();
  assert.match((await waiting).code, /^CONNECTION_/);
  assert.match((await chat).code, /^CONNECTION_/);
  assert.match(String(((await ended.promise) as { code?: string }).code), /^CONNECTION_|^CANCELLED/);
});

test("nothing is sent before the first item is asked for, and a stream that was left yields nothing", async (t) => {
  let calls = 0;
  const server = await serving(t, weather, {
    ...unused,
    watch: () => Array.from({ length: calls++ }, () => ({ celsius: 0 })),
  });
  const api = await calling(t, server, weather);
  const stream = api.watch("Riga");
  await api.admin.users.list();
  assert.equal(calls, 0);
  await stream.return();
  assert.equal((await stream.next()).done, true);
  assert.equal(calls, 0);
});

test("a server is free of calls that their callers have left, and closes at once", { timeout: 20_000 }, async (t) => {
  const [watching, chatting] = [later(), later()];
  const server = await serving(t, weather, {
    ...unused,
    async *watch(_city, { signal }) {
      watching.resolve();
      yield { celsius: 1 };
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
    async *chat(lines) {
      for await (const line of lines) {
        chatting.resolve();
        yield line;
      }
    },
  });
  const api = await calling(t, server, weather);
  const [stream, chat] = [api.watch("Riga"), api.chat(forever())];
  await Promise.all([stream.next(), chat.next(), watching.promise, chatting.promise]);
  await Promise.all([stream.return(), chat.return()]);
  assert.deepEqual(await api.admin.users.list(), []);
  await clientOf(api).close({ graceMs: 20_000 });
  await server.close({ graceMs: 20_000 });
});

test("a reply over the caller's limit is refused, also where it is a stream's", async (t) => {
  const texts = contract("texts", "1.0.0", { join: procedure({ accepts: type<string>(), output: type<string>() }) });
  const server = await serving(t, texts, { join: async (parts) => (await all(parts)).join("").repeat(2_000) });
  const api = await calling(t, server, texts, { maxMessageBytes: 10_000 });
  assert.equal((await rejection(api.join(["a", "long", "text"]))).code, "MESSAGE_TOO_LARGE");
  assert.equal((await api.join(["a", "b"])).length, 4_000);
});

test("an item over the server's limit is refused as such", async (t) => {
  const sizes = contract("sizes", "1.0.0", { sum: procedure({ accepts: type<string>(), output: type<number>() }) });
  const handlers = { sum: async (texts: AsyncIterable<string>) => (await all(texts)).join("").length };
  const server = await serving(t, sizes, handlers, { maxMessageBytes: 100_000 });
  const api = await calling(t, server, sizes);
  assert.equal(await api.sum(["x".repeat(99_995), "y"]), 99_996);
  const error = await rejection(api.sum(["x".repeat(100_000)]));
  assert.equal(error.code, "MESSAGE_TOO_LARGE");
  assert.match(error.message, /an item of 100005 bytes is over the limit of 100000 \(maxMessageBytes\)/);
});

async function* forever(): AsyncGenerator<string> {
  yield "a";
  await new Promise(() => {});
}
