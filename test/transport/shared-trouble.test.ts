/** Shared memory with a peer that does what it may not, that leaves, or that is gone. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { SOCK_STREAM, WOULD_BLOCK } from "../../src/native/binding.js";
import { TAIL } from "../../src/transport/ring.js";
import { UnixTransport } from "../../src/transport/unix.js";
import { require as requires } from "../support/tools.js";
import { Listener } from "./listener.js";
import { hasNative, ownPoller, type RawPeer, ringAndRaw, ringPair } from "./rings.js";

const RING_BYTES = 65_536;
/** How often descriptors were announced: a word of `ring.ts`. */
const DESCRIPTORS = 3;
const NOTE = Uint8Array.of(0);

/** A test of rings: skipped where there are none. One that hangs has lost a wake-up. */
function testRings(name: string, body: (t: TestContext) => Promise<void>): void {
  test(name, { timeout: 20_000 }, async (t) => {
    if (requires(t, hasNative, "there is no addon")) await body(t);
  });
}

/** Closes what comes besides bytes, and counts it. */
class Keeper extends Listener {
  descriptors = 0;

  override onBytes(bytes: Buffer, descriptors: readonly number[] = []): void {
    this.descriptors += descriptors.length;
    for (const descriptor of descriptors) ownPoller().native.close(descriptor);
    super.onBytes(bytes);
  }
}

function raw(t: TestContext): RawPeer & { listener: Keeper } {
  const peer = ringAndRaw(RING_BYTES);
  const { transport, native, link } = peer;
  link.reader.begin();
  t.after(async () => {
    transport.close();
    await listener.until(() => listener.has("close"));
    native.close(link.bell);
    link.release();
  });
  const listener = new Keeper(transport);
  return { ...peer, listener };
}

/** Writes it to the ring, and wakes who sleeps. */
function say({ link, native }: RawPeer, text: string): void {
  link.writer.put(Buffer.from(text));
  if (link.writer.publish()) native.write(link.bell, NOTE);
}

/** Takes all that waits in a socket. */
function empty({ native, socket }: RawPeer): void {
  for (const bytes = Buffer.alloc(64); ; ) {
    const count = native.read(socket, bytes);
    if (count === WOULD_BLOCK) return;
    for (const descriptor of native.takeDescriptors()) native.close(descriptor);
  }
}

/** Writes with descriptors until one of them has to wait for the socket. */
function fillSocket({ transport, native }: RawPeer): void {
  while (transport.write([Buffer.from("x")], [native.duplicate(0)]));
}

async function quiet(): Promise<void> {
  for (let index = 0; index < 20; index++) await turn();
}

const openFiles = () => readdirSync("/proc/self/fd").length;

testRings("a bell that brings descriptors is only heard; they are closed, and everybody else goes on", async (t) => {
  const peer = raw(t);
  const { native, link, listener } = peer;
  const poller = ownPoller();
  const [near, far] = native.socketPair(SOCK_STREAM);
  const bystander = new UnixTransport(poller, near, 0);
  t.after(() => {
    bystander.close();
    native.close(far);
  });
  const heard = new Listener(bystander);
  await quiet();
  const before = openFiles();
  native.write(link.bell, NOTE, [0, 0]);
  await quiet();
  native.write(far, Buffer.from("hello"));
  await heard.until(() => heard.receivedBytes === 5 || heard.has("close"));
  assert.deepEqual([heard.events, heard.error], [["bytes"], undefined]);
  assert.equal(openFiles(), before);
  say(peer, "and so does the ring");
  await listener.until(() => listener.receivedBytes === 20);
});

testRings("a peer that has read what was not there is cut, also when that is found as descriptors leave", async (t) => {
  const peer = raw(t);
  const { native, socket, transport, listener, output } = peer;
  fillSocket(peer);
  // More than the ring has room for: so TAIL is looked at.
  transport.write([Buffer.alloc(RING_BYTES + 1)]);
  Atomics.store(output, TAIL, 0x4000_0000);
  empty(peer);
  await listener.until(() => listener.has("close"));
  assert.equal(listener.error?.code, "PROTOCOL_VIOLATION");
  native.close(socket);
});

testRings(
  "what a side has written to the socket after it left the rings arrives, though it ends right after",
  async (t) => {
    const [server, client] = ringPair(RING_BYTES, 0);
    t.after(() => {
      server.close();
      client.close();
    });
    const [atServer, atClient] = [new Listener(server), new Listener(client)];
    const leave = Buffer.from("leave");
    atServer.onEvent = () => {
      if (atServer.received.equals(leave)) server.readFromSocket();
    };
    atClient.onEvent = () => {
      if (!atClient.received.equals(leave)) return;
      atClient.onEvent = undefined;
      client.readFromSocket();
      client.write([leave]);
      client.writeToSocket();
    };
    // It hears that the socket has ended before it comes to what is in the ring.
    client.pause();
    await quiet();
    server.write([leave]);
    server.writeToSocket();
    server.write([Buffer.from(", and the last words")]);
    server.end();
    await quiet();
    client.resume();
    await atClient.until(() => atClient.has("end") || atClient.has("close"));
    assert.equal(atClient.received.toString(), "leave, and the last words");
    await atServer.until(() => atServer.receivedBytes === leave.length);
    client.end();
    await Promise.all([atServer, atClient].map((one) => one.until(() => one.has("close"))));
    assert.deepEqual([atServer.error, atClient.error], [undefined, undefined]);
  },
);

testRings("when the process survives what its own code throws, the rest comes all the same", async (t) => {
  const peer = raw(t);
  const { listener } = peer;
  await quiet();
  const caught = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
  t.after(() => process.setUncaughtExceptionCaptureCallback(null));
  const mistake = new Error("a mistake");
  listener.onEvent = () => {
    listener.onEvent = undefined;
    throw mistake;
  };
  say(peer, "one");
  assert.equal(await caught, mistake);
  say(peer, "two");
  await listener.until(() => listener.received.toString() === "onetwo");
});

for (const isFull of [false, true]) {
  const how = isFull ? "waits for its socket" : "is written to it";
  testRings(`the last words of a peer that is gone arrive, though what has descriptors ${how}`, async (t) => {
    const peer = raw(t);
    const { transport, native, socket, listener } = peer;
    const before = openFiles();
    if (isFull) fillSocket(peer);
    say(peer, "the last words");
    if (isFull) empty(peer);
    native.close(socket);
    if (!isFull) transport.write([Buffer.from("x")], [native.duplicate(0)]);
    await listener.until(() => listener.has("close"));
    assert.equal(listener.received.toString(), "the last words");
    assert.equal(listener.error?.code, "CONNECTION_LOST");
    assert.ok(openFiles() < before, "what was not sent is still open");
  });
}

testRings("a peer that takes back what it said of descriptors is cut, and they are closed", async (t) => {
  const peer = raw(t);
  const { native, socket, link, listener, input } = peer;
  const before = openFiles();
  const position = Buffer.alloc(4);
  position.writeInt32LE(5);
  native.write(socket, position, [0]);
  link.writer.announceDescriptors();
  listener.onEvent = () => {
    listener.onEvent = undefined;
    Atomics.store(input, DESCRIPTORS, 0);
  };
  say(peer, "0123456789");
  await listener.until(() => listener.has("close"));
  assert.deepEqual([listener.parts.map(String), listener.error?.code], [["01234"], "PROTOCOL_VIOLATION"]);
  native.close(socket);
  assert.ok(openFiles() < before);
});
