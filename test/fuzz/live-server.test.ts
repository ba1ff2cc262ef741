/**
 * Anything at all is sent to the sockets of a living server: what clients have said, changed at random, and again what has led to
 * code that had not run before. It must not crash, hang or leak, and serve others meanwhile.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { dial } from "../../src/index.js";
import { cut } from "../peer/support.js";
import { cutAt } from "../support/bytes.js";
import { Child, until } from "../support/children.js";
import { ROOT } from "../support/process.js";
import { Random } from "../support/random.js";
import { Raw } from "../support/raw.js";
import { temporaryDirectory } from "../support/temp.js";
import { recordConversations } from "./conversations.js";
import { mutate } from "./mutate.js";

const MINUTES = Number(process.env.EARSHOT_FUZZ_MINUTES ?? 0.1);
const SEED = Number(process.env.EARSHOT_SEED ?? Date.now() % 1_000_000);
/** Inputs that have led to new code, one a line, in hexadecimal; a run of a minute or more adds to them. */
const KEPT = join(ROOT, "test/fuzz/kept.txt");
const MOST_KEPT_BYTES = 2_000;
const AT_A_TIME = 4;
/** Longer than the limits of the server. */
const SILENCE_MS = 1_000;
const PATIENCE_MS = 10_000;
const MAX_GROWTH_BYTES = 16_777_216;

interface ServerState {
  readonly connections: number;
  readonly descriptors: number;
  readonly memoryBytes: number;
  readonly accidents: readonly string[];
}

/** Each is over when its input is sent, and a million of them are not to be remembered until the test is. */
const UNTENDED = { after() {} };

class Fuzzer {
  readonly #child: Child;
  readonly #addresses: readonly string[];
  readonly #random = new Random(SEED);
  readonly #covered = new Set<string>();
  readonly corpus: Buffer[];
  /** Those of the corpus that were found. */
  readonly found: Buffer[] = [];
  inputs = 0;

  constructor(child: Child, addresses: readonly string[], corpus: Buffer[]) {
    this.#child = child;
    this.#addresses = addresses;
    this.corpus = corpus;
  }

  get covered(): number {
    return this.#covered.size;
  }

  /** What runs anyway. */
  async begin(): Promise<void> {
    await this.#child.call("coverage");
    for (const bytes of this.corpus) await this.#send(bytes);
    await this.#learn();
  }

  async round(): Promise<void> {
    const inputs = Array.from({ length: AT_A_TIME }, () => mutate(this.#random, this.corpus));
    try {
      await within(Promise.all(inputs.map((bytes) => this.#send(bytes))), "its connections to be over");
    } catch (error) {
      throw new Error(`${inputs.map((bytes) => bytes.toString("hex")).join("\n")}\n${this.#child.stderr}`, {
        cause: error,
      });
    }
    this.inputs += inputs.length;
    if ((await this.#learn()) === 0) return;
    this.corpus.push(...inputs);
    this.found.push(...inputs);
  }

  /** How many blocks of the server's code have run for the first time. */
  async #learn(): Promise<number> {
    const before = this.#covered.size;
    const blocks = within(this.#child.call("coverage"), "the server to tell what has run");
    for (const block of (await blocks) as string[]) this.#covered.add(block);
    return this.#covered.size - before;
  }

  /** Resolves when the connection is over. */
  async #send(bytes: Buffer): Promise<void> {
    const chance = this.#random.below(100);
    const isDeaf = chance === 0;
    const raw = await Raw.connect(UNTENDED, this.#random.of(this.#addresses), isDeaf);
    const offsets = Array.from({ length: this.#random.below(4) }, () => this.#random.below(bytes.length + 1));
    for (const piece of cutAt(bytes, offsets)) {
      raw.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Most go, in one way or the other. One in a hundred says nothing more for longer than any limit of the server's: a stream
    // that brings nothing is not cut.
    if (isDeaf) await setTimeout(20);
    if (chance === 99) await Promise.race([raw.closed, setTimeout(SILENCE_MS)]);
    if (chance < 40 || chance === 99) raw.socket.destroy();
    else raw.socket.end();
    await raw.closed;
  }
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const abort = new AbortController();
  const late = setTimeout(PATIENCE_MS, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`Waited ${PATIENCE_MS} ms for ${what}`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    abort.abort();
  }
}

function keptBefore(): Buffer[] {
  if (!existsSync(KEPT)) return [];
  const lines = readFileSync(KEPT, "utf8").trim().split("\n");
  return lines.map((line) => Buffer.from(line, "hex"));
}

async function assertServes(address: string): Promise<void> {
  const client = await dial(address);
  assert.equal((await client.send("hello")).text(), "hello");
  await cut(client);
}

const LIMIT = { timeout: MINUTES * 60_000 + 120_000 };

test(
  `for ${MINUTES} minutes a server takes whatever comes, crashes never, hangs nowhere and keeps nothing`,
  LIMIT,
  async (t) => {
    t.diagnostic(`EARSHOT_SEED=${SEED}`);
    const directory = temporaryDirectory(t);
    const [whole, streams] = [join(directory, "w"), join(directory, "s")];
    const child = await Child.start(t, "fuzz-server", [], ["--expose-gc"]);
    await child.call("listen", { whole, streams });
    const said = await recordConversations(t, [whole, streams]);
    const fuzzer = new Fuzzer(child, [whole, streams], [...said, ...keptBefore()]);
    await fuzzer.begin();
    const state = async () => (await child.call("state")) as ServerState;
    await until(async () => (await state()).connections === 0, "the first connections to be gone");
    const before = await state();
    t.diagnostic(`began with ${fuzzer.corpus.length} conversations, which run ${fuzzer.covered} blocks`);

    for (const end = performance.now() + MINUTES * 60_000; performance.now() < end; ) {
      for (let round = 0; round < 100 && performance.now() < end; round++) await fuzzer.round();
      await within(assertServes(whole), "another client to be served");
    }

    t.diagnostic(`${fuzzer.inputs} inputs, ${fuzzer.found.length} kept, ${fuzzer.covered} blocks`);
    await until(async () => (await state()).connections === 0, "all connections to be gone");
    await until(async () => (await state()).descriptors <= before.descriptors, "its descriptors to be back");
    const after = await state();
    t.diagnostic(`memory grew by ${((after.memoryBytes - before.memoryBytes) / 1_048_576).toFixed(1)} MiB`);
    assert.ok(after.memoryBytes - before.memoryBytes < MAX_GROWTH_BYTES);
    assert.deepEqual([after.accidents, child.stderr], [[], ""]);
    if (MINUTES >= 1) keep([...keptBefore(), ...fuzzer.found]);
  },
);

/** Short ones only: the file is read by people, too, when something goes wrong. */
function keep(inputs: readonly Buffer[]): void {
  const lines = inputs
    .filter(({ length }) => length > 0 && length <= MOST_KEPT_BYTES)
    .map((bytes) => bytes.toString("hex"));
  if (lines.length > 0) writeFileSync(KEPT, `${[...new Set(lines)].join("\n")}\n`);
}
