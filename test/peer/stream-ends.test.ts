import assert from "node:assert/strict";
import { test } from "node:test";
import { type EarshotError, listen } from "../../src/index.js";
import { pattern } from "../support/bytes.js";
import {
  aborted,
  connect,
  endless,
  Gate,
  inPieces,
  outcome,
  readAll,
  rejection,
  serve,
  serveStreams,
  socketPath,
} from "./support.js";

test("a body is read once, and one that was accepted not at all", async (t) => {
  const errors: unknown[] = [];
  const server = await serveStreams(t, async (message) => {
    if ((await readAll(message.body)).toString() === "read") {
      for (const again of [() => readAll(message.body), () => message.accept(), () => message.collect()]) {
        try {
          await again();
        } catch (error) {
          errors.push(error);
        }
      }
    }
  });
  const client = await connect(t, server);
  await client.send("read");
  assert.equal(errors.length, 3);
  for (const error of errors) assert.match(String(error), /Cannot read the message twice/);
});

test("collect puts a message together, up to its limit", async (t) => {
  const server = await serveStreams(t, async (message) =>
    (await message.collect({ maxBytes: 100_000 })).text().slice(-3),
  );
  const client = await connect(t, server);
  assert.equal(await outcome(client.send(`${"x".repeat(99_997)}end`)), "reply end");
  const error = await rejection(client.send("x".repeat(100_001)));
  assert.equal(error.code, "MESSAGE_TOO_LARGE");
});

test("what is no chunk of bytes breaks off the exchange, and says so", async (t) => {
  const [begun, broken] = [new Gate(), new Gate()];
  const server = await serveStreams(t, async (message) => {
    const reader = message.accept().readable.getReader();
    await reader.read();
    begun.open();
    await rejection(reader.read());
    broken.open();
  });
  const client = await connect(t, server);
  const { writable, closed } = client.open();
  const writer = writable.getWriter();
  await writer.write(Buffer.from("hello"));
  await begun.opened;
  await assert.rejects(writer.write("text" as never), /a chunk is a Uint8Array, this is text/);
  assert.equal((await closed)?.code, "CANCELLED");
  await broken.opened;
});

test("a handler that accepts both directions ends them when it settles", async (t) => {
  const server = await serveStreams(t, async (message) => {
    const { readable, writable } = message.accept();
    const writer = writable.getWriter();
    const { value } = await readable.getReader().read();
    await writer.write(Buffer.from(`${value?.length} bytes`));
  });
  const client = await connect(t, server);
  const { readable, writable, closed } = client.open();
  const writer = writable.getWriter();
  await writer.write(Buffer.from("hello"));
  assert.equal((await readAll(readable as unknown as AsyncIterable<Uint8Array>)).toString(), "5 bytes");
  assert.equal((await rejection(writer.closed)).code, "CANCELLED");
  assert.equal((await closed)?.code, "CANCELLED");
});

test("a handler that accepts both directions and then returns or throws something fails", async (t) => {
  const server = await serveStreams(t, (message) => {
    const isFailing = message.sizeBytes === 1;
    message.accept();
    if (isFailing) throw Object.assign(new Error("no"), { code: "NO" });
    return "a reply";
  });
  const client = await connect(t, server);
  assert.match((await rejection(client.send("xx"))).message, /what it writes is the reply, and it returns nothing/);
  assert.equal((await rejection(client.send("x"))).remoteCode, "NO");
});

test("aborting one direction breaks off both", async (t) => {
  const begun = new Gate();
  const reason = new Promise((resolve) => {
    void serveStreams(t, async (message, { signal }) => {
      await message.accept().readable.getReader().read();
      begun.open();
      resolve(await aborted(signal));
    }).then(async (server) => {
      const { readable, writable, closed } = (await connect(t, server)).open();
      const writer = writable.getWriter();
      await writer.write(Buffer.from("hello"));
      await begun.opened;
      await writer.abort(Object.assign(new Error("enough"), { code: "FULL" }));
      assert.equal((await rejection(readable.getReader().read())).code, "CANCELLED");
      assert.equal((await closed)?.code, "CANCELLED");
    });
  });
  const { code, remoteCode, message } = (await reason) as EarshotError;
  assert.deepEqual([code, remoteCode, message], ["CANCELLED", "FULL", "The caller has given up: enough"]);
});

test("who cancels one direction, before it has begun or after, can still write", async (t) => {
  const server = await serveStreams(t, async (message) => {
    const { readable, writable } = message.accept();
    const writer = writable.getWriter();
    const reader = readable.getReader();
    const { value } = await reader.read();
    begun.open();
    if (value?.length === 5) await writer.write(Buffer.from("a beginning"));
    assert.equal((await rejection(writer.closed)).code, "CANCELLED");
    results.push(Buffer.from((await reader.read()).value ?? []).toString());
  });
  const results: string[] = [];
  let begun = new Gate();
  const client = await connect(t, server);
  for (const first of ["after", "before"]) {
    begun = new Gate();
    const { readable, writable, closed } = client.open();
    const writer = writable.getWriter();
    await writer.write(Buffer.from(first));
    const reader = readable.getReader();
    if (first === "after") await reader.read();
    await begun.opened;
    await reader.cancel();
    await writer.write(Buffer.from(`more ${first}`));
    await writer.close();
    assert.equal(await closed, undefined);
  }
  await server.close();
  assert.deepEqual(results, ["more after", "more before"]);
});

test("closing lets streams finish, and a second close cuts them", async (t) => {
  const server = await serveStreams(t, (message) => message.body);
  const client = await connect(t, server);
  const { readable, writable } = client.open();
  const [reader, writer] = [readable.getReader(), writable.getWriter()];
  await writer.write(Buffer.from("one"));
  await reader.read();
  const closing = [client.close(), server.close()];
  await writer.write(Buffer.from("two"));
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "two");
  await writer.close();
  assert.equal((await reader.read()).done, true);
  await Promise.all(closing);
});

test("a signal that aborts ends both directions, before and after the reply has begun", async (t) => {
  const server = await serveStreams(t, (message) => message.body);
  const client = await connect(t, server);
  const controller = new AbortController();
  const { source, left } = endless();
  const reply = await client.send(source, { body: "stream", signal: controller.signal });
  const reading = readAll(reply.body);
  controller.abort("enough");
  const error = await rejection(reading);
  assert.deepEqual([error.code, error.cause], ["CANCELLED", "enough"]);
  await left;
  const early = await rejection(client.send(endless().source, { signal: controller.signal }));
  assert.deepEqual([early.code, early.delivery], ["CANCELLED", "unsent"]);
});

test("a message over the limit of a server that collects is refused while it comes", async (t) => {
  const server = await serve(t, () => "", { maxMessageBytes: 100_000 });
  const client = await connect(t, server);
  const { source, left } = endless();
  const error = await rejection(client.send(source));
  assert.deepEqual([error.code, error.delivery], ["MESSAGE_TOO_LARGE", "unsent"]);
  await left;
});

test("a reply may be larger than the caller's limit if it is read as it comes", async (t) => {
  const server = await serve(t, () => inPieces(pattern(500_000), 10_000));
  const client = await connect(t, server, { maxMessageBytes: 100_000 });
  assert.equal((await rejection(client.send("go"))).code, "MESSAGE_TOO_LARGE");
  const reply = await client.send("go", { body: "stream" });
  assert.equal((await readAll(reply.body)).length, 500_000);
});

test("an option that says how the body is wanted takes three words", async (t) => {
  await assert.rejects(
    listen(socketPath(t), () => "", { body: "streams" as "message" }),
    /Cannot use body: "streams"; it is one of message, borrowed, stream/,
  );
  const server = await serve(t, () => "");
  const client = await connect(t, server);
  const error = await rejection(client.send("x", { body: 5 as unknown as "stream" }));
  assert.match(error.message, /Cannot use body: 5; it is one of message, borrowed, stream/);
});
