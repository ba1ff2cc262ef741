/** A connection that goes to and fro between its socket and shared memory, with everything under way. */
import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type Client, dial } from "../../src/index.js";
import { Connection } from "../../src/peer/connection.js";
import type { ConnectionOwner, ConnectionSetup } from "../../src/peer/connection-setup.js";
import { duplicateAll } from "../../src/peer/descriptor.js";
import { LaneSpace } from "../../src/peer/lane.js";
import { LISTEN_DEFAULTS, SILENT } from "../../src/peer/options.js";
import { laneGreetings } from "../../src/peer/shared-options.js";
import { Arena } from "../../src/session/arena.js";
import { chooseSockets } from "../../src/transport/kind.js";
import { resolvePath } from "../../src/transport/resolve.js";
import { SharedTransport } from "../../src/transport/shared.js";
import { linkBytes } from "../../src/transport/shared-memory.js";
import type { Listener, Transport } from "../../src/transport/transport.js";
import { pattern } from "../support/bytes.js";
import { until } from "../support/children.js";
import { CAN_SHARE, mappingsOf } from "../support/shared.js";
import { require as requires } from "../support/tools.js";
import { cut, outcome, socketPath } from "./support.js";

const RING_BYTES = 65_536;

interface Two {
  readonly client: Client;
  readonly server: Connection;
  /** What connections may share that they do not. */
  readonly space: LaneSpace;
}

/** A client, and its connection at a server that echoes; both want shared memory whenever they have none. */
async function connectTwo(t: TestContext): Promise<Two> {
  const sockets = chooseSockets("native");
  const descriptors = sockets.descriptors;
  const app = { info: undefined, objection: () => undefined };
  const limits = { ...LISTEN_DEFAULTS, takesStreams: false };
  const maxBytes = linkBytes(RING_BYTES);
  const space = new LaneSpace(maxBytes);
  const lane = {
    lane: "shared",
    ringBytes: RING_BYTES,
    maxBytes,
    rings: sockets.rings!,
    space,
    logger: SILENT,
  } as const;
  const owner: ConnectionOwner = {
    onGreeting() {},
    onExchange: (connection, exchange) => {
      const { message, received } = exchange;
      connection.reply(exchange, message?.bytes ?? "", duplicateAll(descriptors, received));
      connection.closeDescriptors(received);
    },
    onCallerGone() {},
    onClosing() {},
    onClosed() {},
  };
  const setup: ConnectionSetup = {
    role: "server",
    wire: "framed",
    limits,
    ...laneGreetings(lane, limits, app),
    app,
    arena: new Arena(),
    budget: undefined,
    descriptors,
    lane,
    owner,
  };
  const address = socketPath(t);
  let listening: Promise<Listener> | undefined;
  const accepted = new Promise<Transport>((onTransport) => {
    const options = { mode: 0o600, backlog: 1, spinUs: 0, onTransport, onError() {} };
    listening = sockets.listen(resolvePath(address, "listen"), options);
  });
  const listener = await listening;
  t.after(() => listener?.close());
  const client = await dial(address);
  const server = new Connection(1, await accepted, setup);
  t.after(() => cut(client));
  return { client, server, space };
}

/** Leaves the rings, if they are there; returns whether it could. */
function leave({ server }: Two): boolean {
  if (!(server.transport instanceof SharedTransport)) return false;
  server.lane?.leave(0, server.session);
  return true;
}

test("hundreds of changes of the way lose, double and mix up nothing", { timeout: 120_000 }, async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const two = await connectTwo(t);
  const fd = openSync("/dev/null", "r");
  t.after(() => closeSync(fd));
  const { ino } = fstatSync(fd);
  let left = 3_000;
  const talk = async (seed: number): Promise<void> => {
    for (; left > 0; left--) {
      const size = left % 40 === 0 ? 300_000 : (left * seed) % 5_000;
      const sent = pattern(size, left + seed);
      const descriptors = left % 7 === seed % 7 ? [fd] : [];
      const reply = await two.client.send(sent, { descriptors });
      assert.equal(Buffer.from(reply.bytes).equals(sent), true, "the reply is not what was sent");
      assert.deepEqual(
        reply.descriptors.map(({ fd: copy }) => fstatSync(copy).ino),
        descriptors.map(() => ino),
      );
      reply[Symbol.dispose]();
    }
  };
  let changes = 0;
  const change = async (): Promise<void> => {
    for (; left > 0; await turn()) if (leave(two)) changes++;
  };
  await Promise.all([change(), ...Array.from({ length: 8 }, (_, index) => talk(index + 1))]);
  assert.ok(changes > 100, `only ${changes} changes`);
});

test("an idle connection gives its rings back, and goes on over its socket", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  await until(() => mappingsOf() === 0, "the test before to be over");
  const two = await connectTwo(t);
  for (let pings = 0; pings < 2; pings++) await two.client.ping();
  assert.deepEqual([mappingsOf(), two.space.take(1)], [2, false]);
  assert.equal(leave(two), true);
  await until(() => mappingsOf() === 0, "the rings to be gone");
  assert.equal(two.space.take(linkBytes(RING_BYTES)), true, "what it had is there for others");
  assert.equal(await outcome(two.client.send("hello")), "reply hello");
  assert.equal(mappingsOf(), 0);
  two.space.give(linkBytes(RING_BYTES));
  for (let sends = 0; sends < 3; sends++) assert.equal(await outcome(two.client.send("again")), "reply again");
  assert.equal(mappingsOf(), 2);
  await cut(two.client);
  await until(() => mappingsOf() === 0, "the rings to be gone");
});

test("a connection that is cut at any moment of a change leaves nothing", { timeout: 120_000 }, async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  await until(() => mappingsOf() === 0, "the test before to be over");
  for (let round = 0; round < 40; round++) {
    const two = await connectTwo(t);
    const sending = Array.from({ length: 5 }, (_, index) => outcome(two.client.send(Buffer.alloc(index * 30_000))));
    for (let turns = 0; turns < round % 20; turns++) {
      leave(two);
      await turn();
    }
    if (round % 2 === 0) two.server.abort(undefined);
    else await cut(two.client);
    for (const text of await Promise.all(sending)) assert.match(text, /^(reply|CONNECTION_)/);
    await until(() => mappingsOf() === 0, "nothing of it to be left");
  }
});
