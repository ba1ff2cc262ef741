/** What a lane asks of the rings, and what becomes of rings that are not used. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Connection } from "../../src/peer/connection.js";
import type { ConnectionSetup } from "../../src/peer/connection-setup.js";
import { Lane, type LaneSetup, LaneSpace } from "../../src/peer/lane.js";
import { greetingsOf, LISTEN_DEFAULTS, SILENT } from "../../src/peer/options.js";
import { laneFeatures } from "../../src/peer/shared-options.js";
import { Arena } from "../../src/session/arena.js";
import type { Rings } from "../../src/transport/rings.js";
import { type Link, linkBytes } from "../../src/transport/shared-memory.js";
import type { Transport } from "../../src/transport/transport.js";
import { LaneStep } from "../../src/wire/lane.js";
import { greeting } from "../support/raw.js";

const RING_BYTES = 65_536;
const SHARED = { versions: [1, 1], features: ["shared", "shared-first"] };
const LIMITS = { ...LISTEN_DEFAULTS, takesStreams: false };
const APP = { info: undefined, objection: () => undefined };
const HELLO = greetingsOf(LIMITS, APP, []).read(Buffer.from(JSON.stringify(SHARED)));
const NOTHING = { onGreeting() {}, onExchange() {}, onCallerGone() {}, onClosing() {}, onClosed() {} };

/** Rings that are nothing but counted. */
class FakeRings {
  readonly link = {} as Link;
  readonly slabs = { isPossible: false };
  isSame = true;
  asked = 0;
  discarded = 0;

  isSameUser(): boolean {
    this.asked++;
    return this.isSame;
  }

  make() {
    return { link: this.link, descriptors: [100, 101] as const };
  }

  open(): Link {
    return this.link;
  }

  share(): never {
    throw Object.assign(new Error("epoll_ctl ENOSPC"), { code: "ENOSPC", syscall: "epoll_ctl" });
  }

  discard(link: Link): void {
    assert.equal(link, this.link);
    this.discarded++;
  }
}

/** A socket that keeps what it is given, and takes nothing of it. */
const FULL = {
  start() {},
  write: () => false,
  end() {},
  pause() {},
  resume() {},
  close() {},
  isPeerGone: false,
  carriesDescriptors: true,
  credentials: undefined,
} satisfies Transport;

function setupOf(rings: FakeRings, spaceBytes: number): LaneSetup {
  const space = new LaneSpace(spaceBytes);
  const maxBytes = spaceBytes;
  return { lane: "shared", ringBytes: RING_BYTES, maxBytes, rings: rings as unknown as Rings, space, logger: SILENT };
}

/** The lane of a connection whose other side has greeted, and can. */
function makeLane(role: "client" | "server", setup: LaneSetup): Lane {
  const none = { readInto: () => undefined, onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} };
  const lane = new Lane(setup, role, { ...none, transport: FULL, lastActiveAt: 0, session: undefined });
  lane.greeted(HELLO);
  return lane;
}

test("an offer that cannot leave before its connection is lost leaves neither ring nor descriptor", () => {
  const rings = new FakeRings();
  const lane = setupOf(rings, linkBytes(RING_BYTES));
  const closed: number[] = [];
  const setup: ConnectionSetup = {
    role: "server",
    wire: "framed",
    limits: LIMITS,
    greetings: greetingsOf(LIMITS, APP, laneFeatures(lane)),
    app: APP,
    arena: new Arena(),
    budget: undefined,
    descriptors: { close: (fd) => void closed.push(fd), duplicate: () => -1, release() {} },
    lane,
    owner: NOTHING,
  };
  const connection = new Connection(1, FULL, setup);
  // Its own greeting fills the socket; then there is the offer.
  connection.onBytes(greeting(SHARED));
  assert.equal(rings.asked, 1);
  connection.onClose();
  assert.deepEqual([closed, rings.discarded], [[100, 101], 1]);
  assert.equal(lane.space.take(linkBytes(RING_BYTES)), true);
});

test("while all the space is used up, nobody is asked whose a connection is", () => {
  const rings = new FakeRings();
  const setup = setupOf(rings, linkBytes(RING_BYTES));
  const sent: LaneStep[] = [];
  const session = { canChangeLane: true, sendLane: ({ step }: { step: LaneStep }) => void sent.push(step) };
  setup.space.take(1);
  const lane = makeLane("server", setup);
  for (let reads = 0; reads < 100; reads++) lane.settle(session, 10);
  assert.deepEqual([rings.asked, sent], [0, []]);
  setup.space.give(1);
  lane.settle(session, 10);
  assert.deepEqual([rings.asked, sent], [1, [LaneStep.OFFER]]);
});

test("another user's connection is asked for once, and takes no space", () => {
  const rings = new FakeRings();
  rings.isSame = false;
  const setup = setupOf(rings, linkBytes(RING_BYTES));
  const lane = makeLane("server", setup);
  for (let reads = 0; reads < 100; reads++) lane.settle({ canChangeLane: true }, 10);
  assert.equal(rings.asked, 1);
  assert.equal(setup.space.take(linkBytes(RING_BYTES)), true);
});

test("rings that cannot be used are refused by a client, and end a server's connection; either lets them go", () => {
  const rings = new FakeRings();
  const client = makeLane("client", setupOf(rings, 0));
  assert.equal(client.onLane({ step: LaneStep.OFFER, ringBytes: RING_BYTES }, [100, 101]), LaneStep.REFUSE);
  assert.equal(rings.discarded, 1);
  client.closed();
  assert.equal(rings.discarded, 1);

  const server = makeLane("server", setupOf(rings, linkBytes(RING_BYTES)));
  server.settle({ canChangeLane: true }, 10);
  assert.throws(() => server.onLane({ step: LaneStep.RING, ringBytes: 0 }, []), {
    name: "EarshotError",
    code: "SYSTEM_ERROR",
  });
  server.closed();
  assert.equal(rings.discarded, 2);
});
