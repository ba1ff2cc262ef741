import { join } from "node:path";
import type { TestContext } from "node:test";
import { EarshotError } from "../../src/errors.js";
import type { Clock } from "../../src/outbox/clock.js";
import type { OutboxEvents } from "../../src/outbox/events.js";
import { openWith } from "../../src/outbox/open.js";
import type { OutboxOptions } from "../../src/outbox/options.js";
import type { Outbox } from "../../src/outbox/outbox.js";
import type { KeptMessage } from "../../src/outbox/record.js";
import type { Way } from "../../src/outbox/way.js";
import { temporaryDirectory } from "../support/temp.js";

/** Both clocks and all timers of an outbox; nothing happens until it is turned. */
export class FakeTime implements Clock {
  wall = Date.UTC(2026, 0, 1);
  #monotonic = 1_000;
  #timers: { readonly at: number; readonly action: () => void }[] = [];
  /** Resolves when nothing is being done. */
  settle: () => Promise<void> = () => Promise.resolve();
  /** What `random` gives. */
  chance = 0.999_999;

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, action: () => void): () => void {
    const timer = { at: this.#monotonic + ms, action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** When the next timer is due, in milliseconds from now. */
  get nextMs(): number {
    return Math.min(Infinity, ...this.#timers.map(({ at }) => at)) - this.#monotonic;
  }

  /** Both clocks go on; what is due is called, in order, and what it leads to is done before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    for (;;) {
      await this.settle();
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#goTo(Math.max(next.at, this.#monotonic));
      next.action();
    }
    this.#goTo(end);
    await this.settle();
  }

  #goTo(at: number): void {
    this.wall += at - this.#monotonic;
    this.#monotonic = at;
  }
}

/** Until everything that was asked of the store is written, and what that led to as well. */
export async function settled(outbox: Outbox): Promise<void> {
  for (let seen: Promise<void> | undefined; seen !== outbox.idle; ) {
    seen = outbox.idle;
    await seen;
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

interface Attempt {
  readonly message: KeptMessage;
  readonly text: string;
  resolve(): void;
  reject(error: EarshotError): void;
}

/** A server that answers when the test says so, or by itself. */
export class FakeWay implements Way {
  /** Those that are not answered yet. */
  readonly underWay: Attempt[] = [];
  /** The texts of all that were sent, in order. */
  readonly sent: string[] = [];
  mostUnderWay = 0;
  /** What to do with each at once; `undefined`: wait for the test. */
  answer: ((text: string) => EarshotError | "ok" | undefined) | undefined;
  #onBack: () => void = () => {};
  #onSent: (() => void)[] = [];

  deliver(message: KeptMessage): Promise<void> {
    const text = Buffer.from(message.data).toString();
    this.sent.push(text);
    const answer = this.answer?.(text);
    for (const listener of this.#onSent.splice(0)) listener();
    if (answer === "ok") return Promise.resolve();
    if (answer !== undefined) return Promise.reject(answer);
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        this.underWay.splice(this.underWay.indexOf(attempt), 1);
        action();
      };
      const attempt: Attempt = {
        message,
        text,
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      };
      this.underWay.push(attempt);
      this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay.length);
    });
  }

  onBack(listener: () => void): void {
    this.#onBack = listener;
  }

  back(): void {
    this.#onBack();
  }

  /** Resolves when so many were sent. */
  async untilSent(count: number): Promise<void> {
    while (this.sent.length < count) await new Promise<void>((resolve) => this.#onSent.push(resolve));
  }

  async close(): Promise<void> {
    const error = new EarshotError("CONNECTION_CLOSED", "closed", { delivery: "unknown" });
    for (const { reject } of [...this.underWay]) reject(error);
  }
}

export const handlerFailed = (text = "no") =>
  new EarshotError("HANDLER_FAILED", text, { op: "send", delivery: "unknown", remoteCode: "NO" });
export const serverAway = () => new EarshotError("NO_SERVER", "nobody there", { op: "dial" });
export const connectionLost = () =>
  new EarshotError("CONNECTION_LOST", "it broke", { op: "send", delivery: "unknown" });

export interface Rig {
  readonly outbox: Outbox;
  readonly way: FakeWay;
  readonly time: FakeTime;
  readonly directory: string;
  /** What it told, in short. */
  readonly told: string[];
}

/** An outbox with a fake server and clock. */
export async function rig(
  t: TestContext,
  options: Partial<OutboxOptions> = {},
  { directory = join(temporaryDirectory(t), "outbox"), time = new FakeTime(), way = new FakeWay() } = {},
): Promise<Rig> {
  const outbox = await openWith(directory, { address: "nowhere", ...options }, { way, clock: time });
  t.after(() => outbox.close({ graceMs: 0 }));
  time.settle = () => settled(outbox);
  const told: string[] = [];
  outbox.on("delivered", ({ id }) => told.push(`delivered ${id}`));
  outbox.on("retry", ({ id, attempts, retryInMs }) => told.push(`retry ${id} ${attempts} in ${Math.round(retryInMs)}`));
  outbox.on("dead", ({ id, reason }) => told.push(`dead ${id} ${reason.code}`));
  outbox.on("away", ({ error, retryInMs }) => told.push(`away ${error.code} ${Math.round(retryInMs)}`));
  outbox.on("trouble", ({ error }) => told.push(`trouble ${error.code}`));
  return { outbox, way, time, directory, told };
}

/** Resolves with the next of these events. */
export function next<Name extends keyof OutboxEvents>(outbox: Outbox, name: Name): Promise<OutboxEvents[Name]> {
  return new Promise((resolve) => {
    const stop = outbox.on(name, (event) => {
      stop();
      resolve(event);
    });
  });
}
