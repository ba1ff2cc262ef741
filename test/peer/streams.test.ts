import assert from "node:assert/strict";
import { test } from "node:test";
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
  WIRES,
} from "./support.js";

for (const wire of WIRES) {
  test(`${wire}: a message of any pieces arrives as it was sent, whole or as it comes`, async (t) => {
    const bytes = pattern(700_001);
    const whole = await serve(t, (message) => message.bytes);
    const streamed = await serveStreams(t, async (message) => readAll(message.body));
    for (const server of [whole, streamed]) {
      const client = await connect(t, server, { wire });
      for (const size of [1_000, 4_095, 4_096, 65_536, 300_000, 700_001]) {
        const reply = await client.send(inPieces(bytes, size));
        assert.ok(Buffer.from(reply.bytes).equals(bytes), `in pieces of ${size}`);
      }
      const stream = new Blob([bytes]).stream() as ReadableStream<Uint8Array>;
      assert.ok(Buffer.from((await client.send(stream)).bytes).equals(bytes), "a web stream");
      assert.ok(Buffer.from((await client.send(bytes)).bytes).equals(bytes), "bytes");
      assert.equal((await client.send("text")).text(), "text");
    }
  });

  test(`${wire}: a reply of any pieces arrives as it was sent, whole or as it comes`, async (t) => {
    const bytes = pattern(700_001);
    const server = await serve(t, (message) => inPieces(bytes, Number(message.text())));
    const client = await connect(t, server, { wire });
    for (const size of ["1000", "4096", "65536", "700001"]) {
      assert.ok(Buffer.from((await client.send(size)).bytes).equals(bytes), `whole, in pieces of ${size}`);
      const reply = await client.send(size, { body: "stream" });
      assert.ok((await readAll(reply.body)).equals(bytes), `as it comes, in pieces of ${size}`);
    }
  });

  test(`${wire}: what comes goes back while it still comes`, async (t) => {
    const server = await serveStreams(t, (message) => message.body);
    const client = await connect(t, server, { wire });
    const { readable, writable, closed } = client.open();
    const [reader, writer] = [readable.getReader(), writable.getWriter()];
    for (const text of ["one", "two", "three"]) {
      await writer.write(Buffer.from(text));
      assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), text);
    }
    await writer.close();
    assert.deepEqual(await reader.read(), { value: undefined, done: true });
    assert.equal(await closed, undefined);
  });

  test(`${wire}: a source may use its buffer again`, async (t) => {
    const server = await serve(t, (message) => message.bytes);
    const client = await connect(t, server, { wire });
    const buffer = Buffer.alloc(50_000);
    async function* reusing() {
      for (let index = 0; index < 20; index++) yield buffer.fill(65 + index);
    }
    const { bytes } = await client.send(reusing());
    const expected = Buffer.concat(Array.from({ length: 20 }, (_, index) => Buffer.alloc(50_000, 65 + index)));
    assert.ok(Buffer.from(bytes).equals(expected));
  });

  test(`${wire}: who breaks out of a reply cancels whoever produces it`, async (t) => {
    const { source, left } = endless();
    const gone = new Gate();
    const server = await serve(t, (_, { signal }) => {
      void aborted(signal).then(gone.open);
      return source;
    });
    const client = await connect(t, server, { wire });
    const reply = await client.send("go", { body: "stream" });
    for await (const chunk of reply.body) {
      assert.ok(chunk.length > 0);
      break;
    }
    await left;
    await gone.opened;
    await server.close();
  });

  test(`${wire}: a source that fails rejects the send with its error, and breaks the message off`, async (t) => {
    const [begun, over] = [new Gate(), new Gate()];
    let failure: unknown;
    const server = await serveStreams(t, async (message) => {
      try {
        for await (const _ of message.body) begun.open();
      } catch (error) {
        failure = error;
      }
      over.open();
    });
    const client = await connect(t, server, { wire });
    const mistake = new Error("no more paper");
    async function* failing() {
      yield "a".repeat(10_000);
      await begun.opened;
      throw mistake;
    }
    const error = await rejection(client.send(failing()));
    assert.deepEqual([error.code, error.cause], ["CANCELLED", mistake]);
    assert.match(error.message, /what was to be sent failed: no more paper$/);
    await over.opened;
    // The plain wire cannot tell a sender that breaks off from one that is done.
    assert.equal((failure as { code?: string } | undefined)?.code, wire === "framed" ? "CANCELLED" : undefined);
  });

  test(`${wire}: a part that is neither text nor bytes rejects the send`, async (t) => {
    const server = await serve(t, () => "");
    const client = await connect(t, server, { wire });
    const error = await rejection(
      client.send(
        (async function* () {
          yield 5 as never;
        })(),
      ),
    );
    assert.match(error.message, /Cannot send this part of a message: .* this is number/);
  });

  test(`${wire}: a deadline ends a reply that is still being read`, async (t) => {
    const { source, left } = endless();
    const server = await serve(t, () => source);
    const client = await connect(t, server, { wire });
    const reply = await client.send("go", { body: "stream", timeoutMs: 50 });
    const error = await rejection(readAll(reply.body));
    assert.equal(error.code, "TIMEOUT");
    await left;
  });

  test(`${wire}: when the connection is lost, both directions reject with why`, async (t) => {
    const server = await serveStreams(t, async (message) => message.body);
    const client = await connect(t, server, { wire });
    const { readable, writable, closed } = client.open();
    const [reader, writer] = [readable.getReader(), writable.getWriter()];
    await writer.write(Buffer.from("hello"));
    await reader.read();
    void server.close();
    await server.close();
    assert.equal((await rejection(reader.read())).code, "CONNECTION_LOST");
    assert.equal((await rejection(writer.closed)).code, "CONNECTION_LOST");
    assert.equal((await closed)?.code, "CONNECTION_LOST");
  });

  test(`${wire}: a handler's body rejects when its caller dies, after what had come was read`, async (t) => {
    const seen = new Gate();
    let read = "";
    let failure: Promise<unknown> = Promise.resolve();
    const server = await serveStreams(t, async (message) => {
      failure = (async () => {
        for await (const chunk of message.body) {
          read += Buffer.from(chunk).toString();
          seen.open();
        }
      })();
      await failure;
    });
    const client = await connect(t, server, { wire });
    const { writable } = client.open();
    const writer = writable.getWriter();
    writer.closed.catch(() => {});
    await writer.write(Buffer.from("hello"));
    await seen.opened;
    void client.close();
    await client.close();
    // The plain wire cannot tell a caller that dies from one that is done.
    if (wire === "plain") await failure;
    else assert.match((await rejection(failure)).code, /CONNECTION_(LOST|CLOSED)/);
    assert.equal(read, "hello");
  });
}

test("who has answered wants no more of the message, and its source is told", async (t) => {
  const server = await serveStreams(t, async (message) => {
    for await (const chunk of message.body) return `enough after ${chunk.length > 0}`;
    return "nothing";
  });
  const client = await connect(t, server);
  const { source, left } = endless();
  assert.equal(await outcome(client.send(source)), "reply enough after true");
  await left;
  assert.equal(await outcome(client.send("again")), "reply enough after true");
});

test("a handler that does not read at all answers just the same, also large messages", async (t) => {
  const server = await serveStreams(t, ({ sizeBytes }) => `${sizeBytes}`);
  const client = await connect(t, server);
  assert.equal(await outcome(client.send(pattern(10_000_000))), "reply 10000000");
  const { source, left } = endless();
  assert.equal(await outcome(client.send(source)), "reply undefined");
  await left;
  assert.equal(await outcome(client.send("small")), "reply 5");
});

test("a handler that fails in the middle of its reply rejects the reader with its error", async (t) => {
  const begun = new Gate();
  const server = await serve(t, async function* (message) {
    yield "a beginning";
    if (message.text() === "later") await begun.opened;
    throw Object.assign(new Error("no end"), { code: "NO_END" });
  });
  const client = await connect(t, server);
  const atOnce = await rejection(client.send("now", { body: "stream" }));
  assert.deepEqual([atOnce.code, atOnce.remoteCode], ["HANDLER_FAILED", "NO_END"]);
  const reply = await client.send("later", { body: "stream" });
  begun.open();
  const error = await rejection(readAll(reply.body));
  assert.deepEqual([error.code, error.remoteCode], ["HANDLER_FAILED", "NO_END"]);
  assert.match(error.message, /the handler failed: no end$/);
});

test("a reader that does not read holds back the one who produces, and nobody else", async (t) => {
  let produced = 0;
  const server = await serve(t, (message) => {
    if (message.text() !== "much") return "small";
    return (async function* () {
      for (;;) {
        produced += 50_000;
        yield Buffer.alloc(50_000);
      }
    })();
  });
  const client = await connect(t, server);
  const replies = await Promise.all(Array.from({ length: 20 }, () => client.send("much", { body: "stream" })));
  for (let count = 0; count < 200; count++) assert.equal(await outcome(client.send("x")), "reply small");
  // The window and what waits to leave, for each; what was produced after is not under way.
  assert.ok(produced <= 20 * (65_536 + 131_072 + 100_000), `${produced} bytes produced`);
  for (const reply of replies) reply[Symbol.dispose]();
});
