import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { BeginOrder } from "../fixtures/chaos-sender.js";
import type { ServeOrder } from "../fixtures/chaos-server.js";
import type { Verdict } from "../fixtures/chaos-verdict.js";
import { Child } from "../support/children.js";
import { compileWithPackages } from "../support/programs.js";
import { Random } from "../support/random.js";
import { temporaryDirectory } from "../support/temp.js";

export interface Chaos {
  readonly kills: number;
  readonly by: BeginOrder["by"];
  readonly hasInbox: boolean;
  readonly durability: BeginOrder["durability"];
  readonly lane: BeginOrder["lane"];
  readonly seed: number;
}

type Party = "sender" | "server";

/** The points of each party; `recording` to `recorded` are those of an inbox, `delivered` is an outbox's. */
const POINTS: Readonly<Record<Party, readonly string[]>> = {
  sender: ["posting", "writing", "accepted", "noted", "delivered"],
  server: ["begun", "working", "done", "recording", "kept", "recorded", "answered"],
};
const INBOX_POINTS = ["recording", "kept", "recorded"];
const VICTIMS: readonly (readonly Party[])[] = [["sender"], ["server"], ["sender", "server"]];
const KEYS = ["a", "b", "c", "d"];
/** How many are posted between two kills, and at which of them at most a trap waits. */
const POSTS = 48;
const LAST_TRAPPED = 24;
/** After a start; a process is up in about 100. */
const RANDOM_MS = 180;
const PATIENCE_MS = 30_000;

interface Programs {
  readonly sender: string;
  readonly server: string;
  readonly checker: string;
}

export interface Files {
  readonly senderLog: string;
  readonly serverLog: string;
}

/** A sender and a server that are killed again and again, and started again. */
export class Killing {
  readonly #t: TestContext;
  readonly #chaos: Chaos;
  readonly #programs: Programs;
  readonly #random: Random;
  readonly #begin: BeginOrder;
  readonly #serve: ServeOrder;
  readonly #running = new Map<Party, Child>();
  /** What went wrong without anybody being killed. */
  readonly #trouble: string[] = [];
  /** How often somebody was killed where. */
  readonly killsAt = new Map<string, number>();

  private constructor(t: TestContext, chaos: Chaos, programs: Programs) {
    this.#t = t;
    this.#chaos = chaos;
    this.#programs = programs;
    this.#random = new Random(chaos.seed);
    const place = temporaryDirectory(t);
    const address = join(place, "s");
    const { by, durability, hasInbox, lane } = chaos;
    this.#begin = {
      address,
      log: join(place, "sent"),
      by,
      outbox: join(place, "outbox"),
      durability,
      lane,
      keys: KEYS,
    };
    this.#serve = { address, log: join(place, "served"), inbox: hasInbox ? join(place, "inbox") : undefined };
  }

  static async prepare(t: TestContext, chaos: Chaos): Promise<Killing> {
    const [sender, server, checker] = await Promise.all([
      compileWithPackages(t, "chaos-sender"),
      compileWithPackages(t, "chaos-server"),
      compileWithPackages(t, "chaos-checker"),
    ]);
    return new Killing(t, chaos, { sender, server, checker });
  }

  get files(): Files {
    return { senderLog: this.#begin.log, serverLog: this.#serve.log };
  }

  /** Kills as often as it should, lets everything that is left be delivered, and asks the checker. */
  async run(): Promise<Verdict> {
    await Promise.all([this.#start("sender"), this.#start("server")]);
    for (let count = 0; count < this.#chaos.kills; ) {
      const victims = this.#random.of(VICTIMS);
      await this.#killOnce(victims);
      count += victims.length;
      if (this.#trouble.length > 0) throw new Error(this.#trouble.join("\n"));
    }
    const { dead } = (await this.#child("sender").call("finish")) as { dead: number };
    if (dead > 0) throw new Error(`${dead} messages have become dead letters`);
    return this.check(this.files);
  }

  check({ senderLog, serverLog }: Files): Verdict {
    const args = [this.#programs.checker, senderLog, serverLog, ...(this.#chaos.hasInbox ? ["--inbox"] : [])];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0 && status !== 1) throw new Error(stderr);
    const verdict = JSON.parse(stdout) as Verdict;
    if (verdict.isKept !== (status === 0)) throw new Error(`exit code ${status}: ${stdout}`);
    return verdict;
  }

  async #killOnce(victims: readonly Party[]): Promise<void> {
    const children = victims.map((victim) => this.#child(victim));
    this.#order(this.#child("sender").call("post", { count: POSTS }));
    if (this.#random.below(4) === 0) await this.#killAtRandom(children, victims);
    else this.#setTrap(children, victims);
    await this.#within(Promise.all(children.map(({ ended }) => ended)), `${victims.join(" and ")} to be killed`);
    await Promise.all(victims.map((victim) => this.#start(victim)));
  }

  async #killAtRandom(children: readonly Child[], victims: readonly Party[]): Promise<void> {
    await setTimeout(this.#random.next() * RANDOM_MS);
    for (const { process } of children) process.kill("SIGKILL");
    this.#count("any time", victims);
  }

  #setTrap(children: readonly Child[], victims: readonly Party[]): void {
    const party = this.#random.of(["sender", "server"] as const);
    const { by, hasInbox } = this.#chaos;
    const points = POINTS[party].filter(
      (point) => (hasInbox || !INBOX_POINTS.includes(point)) && (by === "outbox" || point !== "delivered"),
    );
    const at = this.#random.of(points);
    const nth = 1 + this.#random.below(LAST_TRAPPED);
    this.#order(this.#child(party).call("trap", { at, nth, pids: children.map(({ pid }) => pid) }));
    this.#count(at, victims);
  }

  #count(where: string, victims: readonly Party[]): void {
    for (const victim of victims) {
      const name = `${victim} at ${where}`;
      this.killsAt.set(name, (this.killsAt.get(name) ?? 0) + 1);
    }
  }

  /** It is not waited until it has begun: it may be killed before. */
  async #start(party: Party): Promise<void> {
    const child = await Child.startCompiled(this.#t, this.#programs[party]);
    this.#running.set(party, child);
    this.#order(party === "sender" ? child.call("begin", this.#begin) : child.call("serve", this.#serve));
  }

  #child(party: Party): Child {
    const child = this.#running.get(party);
    if (child === undefined) throw new Error(`no ${party} was started`);
    return child;
  }

  /** Whoever is ordered may be killed meanwhile; anything else is trouble. */
  #order(answer: Promise<unknown>): void {
    answer.catch((error: Error) => {
      if (!/: the child died\. $/.test(error.message)) this.#trouble.push(error.message);
    });
  }

  async #within<T>(promise: Promise<T>, what: string): Promise<T> {
    const abort = new AbortController();
    const late = setTimeout(PATIENCE_MS, undefined, { signal: abort.signal }).then(() => {
      throw new Error(`Waited ${PATIENCE_MS} ms for ${what}. ${this.#trouble.join("\n")}`);
    });
    late.catch(() => {});
    try {
      return await Promise.race([promise, late]);
    } finally {
      abort.abort();
    }
  }
}
