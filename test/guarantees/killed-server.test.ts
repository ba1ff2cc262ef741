/** For each way to send: what becomes of a message whose server is killed, and how often handlers have begun and done it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { type Client, type DialOptions, dial } from "../../src/index.js";
import { openOutbox } from "../../src/outbox/index.js";
import { cut, outcome } from "../peer/support.js";
import { Child } from "../support/children.js";
import { compileWithPackages } from "../support/programs.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };
const TEXT = "a 1";
const RECONNECT = { minDelayMs: 2, maxDelayMs: 20 };
const cleanups: (() => unknown)[] = [];
let program = "";

before(async () => {
  program = await compileWithPackages(
    { after: (action) => void cleanups.push(action as () => unknown) },
    "chaos-server",
  );
});
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

interface Place {
  readonly t: TestContext;
  readonly address: string;
  readonly log: string;
  readonly inbox: string | undefined;
  readonly outbox: string;
}

/** Connected, so that what is sent is on its way at once. */
interface Sender {
  send(): Promise<string>;
}

async function byClient({ t, address }: Place, options: DialOptions, send: (client: Client) => Promise<unknown>) {
  const client = await dial(address, options);
  t.after(() => cut(client));
  return { send: () => outcome(send(client)) };
}

async function byOutbox({ t, address, outbox: directory }: Place): Promise<Sender> {
  const outbox = await openOutbox(directory, { address, retry: RECONNECT });
  t.after(() => outbox.close({ graceMs: 0 }));
  return {
    send: async () => {
      await outbox.post(TEXT, { id: TEXT });
      await outbox.flush();
      return `delivered, ${outbox.stats().dead} dead`;
    },
  };
}

async function* chunks(): AsyncGenerator<string> {
  yield TEXT;
}

const WAYS = {
  "plain wire": (place: Place) => byClient(place, { wire: "plain" }, (client) => client.send(TEXT)),
  "retry false": (place: Place) => byClient(place, {}, (client) => client.send(TEXT)),
  "shared memory": (place: Place) => byClient(place, { lane: "shared" }, (client) => client.send(TEXT)),
  "retry unsent": (place: Place) => byClient(place, { retry: "unsent" }, (client) => client.send(TEXT)),
  "retry idempotent": (place: Place) =>
    byClient(place, { retry: "idempotent", reconnect: RECONNECT }, (client) => client.send(TEXT, { id: TEXT })),
  stream: (place: Place) => byClient(place, { retry: "idempotent" }, (client) => client.send(chunks())),
  outbox: byOutbox,
} satisfies Record<string, (place: Place) => Promise<Sender>>;

/** `inbox`: its record is on disk, and the answer has not left. */
type Moment = "before" | "during" | "after" | "recorded";
const TRAPS = { during: "working", after: "done", recorded: "kept" } as const;
const MOMENTS: Readonly<Record<Moment, string>> = {
  before: "before its handler has the message",
  during: "while its handler works",
  after: "when its handler is done and nothing is recorded",
  recorded: "when the inbox has recorded it and the answer has not left",
};

type Row = readonly [
  way: keyof typeof WAYS,
  memory: "memory" | "inbox",
  moment: Moment,
  outcome: string,
  handled: string,
];
const LOST = "CONNECTION_LOST unknown";
const ROWS: readonly Row[] = [
  ["plain wire", "memory", "before", LOST, "begun 0, done 0"],
  ["plain wire", "memory", "during", "reply ", "begun 1, done 0"],
  ["plain wire", "memory", "after", "reply ", "begun 1, done 1"],
  ["retry false", "memory", "before", LOST, "begun 0, done 0"],
  ["retry false", "memory", "during", LOST, "begun 1, done 0"],
  ["retry false", "memory", "after", LOST, "begun 1, done 1"],
  ["shared memory", "memory", "before", LOST, "begun 0, done 0"],
  ["shared memory", "memory", "during", LOST, "begun 1, done 0"],
  ["shared memory", "memory", "after", LOST, "begun 1, done 1"],
  ["retry unsent", "memory", "before", LOST, "begun 0, done 0"],
  ["retry unsent", "memory", "during", LOST, "begun 1, done 0"],
  ["retry unsent", "memory", "after", LOST, "begun 1, done 1"],
  ["retry idempotent", "memory", "before", "reply a 1", "begun 1, done 1"],
  ["retry idempotent", "memory", "during", "reply a 1", "begun 2, done 1"],
  ["retry idempotent", "memory", "after", "reply a 1", "begun 2, done 2"],
  ["retry idempotent", "inbox", "after", "reply a 1", "begun 2, done 2"],
  ["retry idempotent", "inbox", "recorded", "reply a 1", "begun 1, done 1"],
  ["stream", "memory", "before", LOST, "begun 0, done 0"],
  ["stream", "memory", "during", LOST, "begun 1, done 0"],
  ["stream", "memory", "after", LOST, "begun 1, done 1"],
  ["outbox", "memory", "before", "delivered, 0 dead", "begun 1, done 1"],
  ["outbox", "memory", "during", "delivered, 0 dead", "begun 2, done 1"],
  ["outbox", "memory", "after", "delivered, 0 dead", "begun 2, done 2"],
  ["outbox", "inbox", "before", "delivered, 0 dead", "begun 1, done 1"],
  ["outbox", "inbox", "during", "delivered, 0 dead", "begun 2, done 1"],
  ["outbox", "inbox", "after", "delivered, 0 dead", "begun 2, done 2"],
  ["outbox", "inbox", "recorded", "delivered, 0 dead", "begun 1, done 1"],
];

async function serve({ t, address, log, inbox }: Place): Promise<Child> {
  const server = await Child.startCompiled(t, program);
  await server.call("serve", { address, log, inbox });
  return server;
}

/** Its server is killed at that moment; what becomes of the message while the next one serves. */
async function sendAndKill(place: Place, way: keyof typeof WAYS, moment: Moment): Promise<string> {
  const server = await serve(place);
  const sender = await WAYS[way](place);
  if (moment === "before") await server.freeze();
  else await server.call("trap", { at: TRAPS[moment], nth: 1, pids: [server.pid] });
  const sending = sender.send();
  if (moment === "before") {
    await untilWritten();
    await server.kill();
  }
  await server.ended;
  if (way === "outbox" || way === "retry idempotent") await serve(place);
  return await sending;
}

/** Everything that was asked for in this turn is on its way. */
async function untilWritten(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function handledIn(log: string): string {
  const lines = readFileSync(log, "utf8").split("\n");
  const count = (what: string) => lines.filter((line) => line === `${what} ${TEXT}`).length;
  return `begun ${count("begun")}, done ${count("done")}`;
}

for (const [way, memory, moment, expected, handled] of ROWS) {
  const name = memory === "inbox" ? `${way} and inbox` : way;
  const became = expected === "reply " ? "an empty reply" : expected;
  test(`${name}: the server is killed ${MOMENTS[moment]}: ${became}, ${handled}`, LIMIT, async (t) => {
    const directory = temporaryDirectory(t);
    const file = (leaf: string) => join(directory, leaf);
    const inbox = memory === "inbox" ? file("inbox") : undefined;
    const place = { t, address: file("s"), log: file("log"), inbox, outbox: file("outbox") };
    assert.deepEqual([await sendAndKill(place, way, moment), handledIn(place.log)], [expected, handled]);
  });
}
