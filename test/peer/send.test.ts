import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { EarshotError } from "../../src/index.js";
import { pattern } from "../support/bytes.js";
import { connect, outcome, rejection, serve, socketPath, WIRES } from "./support.js";

for (const wire of WIRES) {
  test(`${wire}: a text and its reply arrive as they were sent, whatever the characters`, async (t) => {
    const server = await serve(t, (message) => `you said ${message.text()}`);
    const client = await connect(t, server, { wire });
    for (const text of ["hello", "a\0b", "naïve ☂ 𝄞", "{", "x".repeat(5_000), "é".repeat(300_000)]) {
      assert.equal((await client.send(text)).text(), `you said ${text}`);
    }
  });

  test(`${wire}: bytes and their reply arrive as they were sent, also a part of a larger buffer`, async (t) => {
    const server = await serve(t, (message) => message.bytes);
    const client = await connect(t, server, { wire });
    for (const length of [1, 255, 8_192, 8_193, 131_072, 131_073, 1_000_000]) {
      const bytes = pattern(length + 2).subarray(1, length + 1);
      assert.ok(Buffer.from((await client.send(bytes)).bytes).equals(bytes), `${length} bytes`);
    }
    const whole = new Uint8Array([0, 1, 254, 255]);
    assert.deepEqual((await client.send(whole)).bytes, whole);
  });

  test(`${wire}: a handler that returns nothing, undefined, "" or no bytes acknowledges with an empty reply`, async (t) => {
    const replies = { nothing: undefined, undefined: Promise.resolve(undefined), empty: "", none: new Uint8Array() };
    const server = await serve(t, (message) => replies[message.text() as keyof typeof replies]);
    const client = await connect(t, server, { wire });
    for (const name of Object.keys(replies)) {
      const reply = await client.send(name);
      assert.deepEqual([reply.byteLength, reply.text(), reply.bytes], [0, "", new Uint8Array()]);
    }
  });

  test(`${wire}: the context tells the wire, and the address that the client dialed`, async (t) => {
    const server = await serve(t, (_, { wire, peer }) => JSON.stringify({ wire, address: peer.address }));
    const client = await connect(t, server, { wire });
    assert.deepEqual((await client.send("who?")).json(), { wire, address: server.address });
    assert.equal(client.address, server.address);
  });

  test(`${wire}: bytes that are no message are refused before anything leaves`, async (t) => {
    const server = await serve(t, () => assert.fail("nothing should come"));
    const client = await connect(t, server, { wire });
    for (const data of [undefined, null, 5, {}, [], true, new ArrayBuffer(4), new DataView(new ArrayBuffer(4))]) {
      const error = await rejection(client.send(data as never));
      assert.equal(error.code, "INVALID_ARGUMENT");
      assert.match(
        error.message,
        /Cannot send this message: it is a string, a Uint8Array or an async iterable of these, this is \w+/,
      );
    }
  });
}

test("an empty message is a message on the framed wire", async (t) => {
  const server = await serve(t, (message) => `${message.byteLength} bytes`);
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("")), "reply 0 bytes");
  assert.equal(await outcome(client.send(new Uint8Array())), "reply 0 bytes");
});

test("a reply reads as bytes, text and JSON, each time the same", async (t) => {
  const server = await serve(t, (message) => message.bytes);
  const client = await connect(t, server);
  const reply = await client.send('{"a":[1,"é"]}');
  assert.deepEqual(reply.json(), { a: [1, "é"] });
  assert.equal(reply.text(), '{"a":[1,"é"]}');
  assert.equal(reply.byteLength, 14);
  assert.equal(reply.bytes, reply.bytes);
  assert.equal((await client.send(Uint8Array.of(0x61, 0xff))).text(), "a\ufffd");
});

test("what is not JSON says so: INVALID_JSON, with the parser's reason", async (t) => {
  const server = await serve(t, (message) => message.bytes);
  const client = await connect(t, server);
  for (const text of ["", "{", "nothing", '{"a":1}}']) {
    const reply = await client.send(text);
    assert.throws(
      () => reply.json(),
      (error: EarshotError) => {
        assert.ok(error instanceof EarshotError);
        assert.equal(error.code, "INVALID_JSON");
        assert.match(error.message, /^Cannot read the message as JSON: .*JSON/);
        return error.cause instanceof SyntaxError;
      },
    );
  }
});

test("messages stay as they are for as long as they are kept", async (t) => {
  const kept: Uint8Array[] = [];
  const server = await serve(t, (message) => void kept.push(message.bytes));
  const client = await connect(t, server);
  const sent = Array.from({ length: 200 }, (_, index) => pattern(1 + index * 37, index));
  await Promise.all(sent.map((bytes) => client.send(bytes)));
  await client.send(pattern(300_000));
  for (const [index, bytes] of sent.entries()) assert.ok(bytes.equals(kept[index]!), `message ${index}`);
});

test("connections of one server have different ids, messages of one connection the same", async (t) => {
  const server = await serve(t, (_, { peer }) => String(peer.id));
  const [one, other] = [await connect(t, server), await connect(t, server)];
  const ids = await Promise.all([one.send("a"), other.send("a"), one.send("b")].map(outcome));
  assert.equal(ids[0], ids[2]);
  assert.notEqual(ids[0], ids[1]);
});

test("a ping is answered without the handler, and tells the time and the server's application", async (t) => {
  const app = { name: "weather", version: "1.4.0" };
  const server = await serve(t, () => assert.fail("a ping is no message"), { app });
  const client = await connect(t, server);
  assert.equal(client.serverApp, undefined);
  const pong = await client.ping();
  assert.deepEqual(pong.app, app);
  assert.ok(pong.roundTripMs > 0 && pong.roundTripMs < 5_000);
  assert.deepEqual(client.serverApp, app);
  const pongs = await Promise.all(Array.from({ length: 50 }, () => client.ping({ timeoutMs: 5_000 })));
  assert.equal(pongs.length, 50);
});

test("the plain wire has no ping", async (t) => {
  const client = await connect(t, await serve(t, () => "ok"), { wire: "plain" });
  assert.equal(await outcome(client.ping()), "UNSUPPORTED unsent");
  assert.equal(await outcome(client.send("still there?")), "reply ok");
});

test("a server that takes one wire refuses the other", async (t) => {
  const framedOnly = await serve(t, () => "ok", { wire: "framed" });
  assert.equal(await outcome((await connect(t, framedOnly)).send("a")), "reply ok");
  assert.match(
    await outcome((await connect(t, framedOnly, { wire: "plain" })).send("a")),
    /^UNSUPPORTED unsent|^CONNECTION_LOST/,
  );
  const taken: string[] = [];
  const plainOnly = await serve(t, (message) => void taken.push(message.text()), { wire: "plain" });
  assert.equal(await outcome((await connect(t, plainOnly, { wire: "plain" })).send("a")), "reply ");
  assert.deepEqual(taken, ["a"]);
});

test("an address without a server is NO_SERVER, also when a dead one left its file", async (t) => {
  const path = socketPath(t);
  const missing = await rejection(connect(t, { address: path }));
  assert.equal(missing.code, "NO_SERVER");
  assert.equal(missing.op, "dial");
  assert.equal(missing.address, `unix:${path}`);
  assert.match(missing.message, /^Cannot dial ".*": there is no such file.*\(ENOENT\)$/);
  const { leaveStaleSocket } = await import("../support/starter.js");
  await leaveStaleSocket(path);
  const stale = await rejection(connect(t, { address: path }));
  assert.equal(stale.code, "NO_SERVER");
  assert.match(stale.message, /nobody listens there; .*\(ECONNREFUSED\)$/);
});

test("an address where there is a file that is no socket is NOT_A_SOCKET, and the file stays", async (t) => {
  const path = socketPath(t);
  writeFileSync(path, "precious");
  const error = await rejection(connect(t, { address: path }));
  assert.equal(error.code, "NOT_A_SOCKET");
  assert.equal(readFileSync(path, "utf8"), "precious");
});
