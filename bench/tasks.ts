import type { Dialed, Sides } from "./contenders.js";

/** One thing to measure, on the client's side. */
export interface Task {
  /**
   * `latency`: one message after the other, each timed. `rate`: so many in flight on each connection. `cycle`: connect, send,
   * close. `hold`: connections that have sent one message.
   */
  readonly kind: "latency" | "rate" | "cycle" | "hold";
  readonly bytes: number;
  readonly inFlight: number;
  readonly connections: number;
  /** Connections besides, which have sent one message. */
  readonly idle: number;
  /** The sender wants to know that it was handled, and nothing else. */
  readonly isOneWay: boolean;
  readonly warmMs: number;
  readonly measureMs: number;
}

/** What came of it. */
export interface Measured {
  readonly values: Readonly<Record<string, number>>;
  readonly messages: number;
  /** Processor time of the client's process, and of a server that it has started. */
  readonly cpuUs: number;
}

const WARM_FIRST = 20;
/** More are no better, and memory for them would be a part of what is measured. */
const MAX_SAMPLES = 500_000;

function payload({ bytes, isOneWay }: Task): Uint8Array {
  return Buffer.alloc(bytes, isOneWay ? "-" : "x");
}

/** Keeps so many messages under way on each connection until `count` are acknowledged; returns the milliseconds that took. */
async function pump(clients: readonly Dialed[], { inFlight }: Task, data: Uint8Array, count: number): Promise<number> {
  let left = count;
  const startedAt = performance.now();
  const lane = async (client: Dialed) => {
    while (left-- > 0) await client.send(data);
  };
  await Promise.all(clients.flatMap((client) => Array.from({ length: inFlight }, () => lane(client))));
  return performance.now() - startedAt;
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** A task that has been prepared: its connections are there and its code is warm. */
export class Running {
  readonly #sides: Sides;
  readonly #path: string;
  readonly #task: Task;
  readonly #data: Uint8Array;
  readonly #clients: Dialed[] = [];
  readonly #idle: Dialed[] = [];
  /** How many messages take about as long as a measurement shall. */
  #count = 0;

  constructor(sides: Sides, path: string, task: Task) {
    this.#sides = sides;
    this.#path = path;
    this.#task = task;
    this.#data = payload(task);
  }

  async prepare(): Promise<void> {
    const { kind, connections, idle, inFlight, warmMs, measureMs } = this.#task;
    await this.#open(this.#idle, idle);
    if (kind !== "cycle") await this.#open(this.#clients, connections);
    if (kind === "hold") return;
    const least = connections * inFlight;
    let spentMs = 0;
    for (let count = kind === "rate" ? least : Math.min(WARM_FIRST, least * WARM_FIRST); ; count *= 2) {
      const tookMs = await this.#exchange(count);
      spentMs += tookMs;
      this.#count = Math.max(least, Math.ceil((count / tookMs) * measureMs));
      if (spentMs >= warmMs) break;
    }
  }

  async measure(): Promise<Measured> {
    const before = await this.#cpuUs();
    const values = await this.#measure();
    return { values, messages: this.#count, cpuUs: (await this.#cpuUs()) - before };
  }

  async finish(): Promise<void> {
    await Promise.all([...this.#clients, ...this.#idle].map((client) => client.close()));
  }

  async #open(clients: Dialed[], count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const client = await this.#sides.dial(this.#path);
      clients.push(client);
      await client.send(this.#data);
    }
  }

  async #exchange(count: number): Promise<number> {
    if (this.#task.kind !== "cycle") return await pump(this.#clients, this.#task, this.#data, count);
    const startedAt = performance.now();
    for (let index = 0; index < count; index++) {
      const client = await this.#sides.dial(this.#path);
      await client.send(this.#data);
      await client.close();
    }
    return performance.now() - startedAt;
  }

  async #measure(): Promise<Record<string, number>> {
    switch (this.#task.kind) {
      case "hold":
        return {};
      case "latency":
        return await this.#latencies();
      case "cycle":
      case "rate": {
        const ms = await this.#exchange(this.#count);
        const perSecond = (this.#count / ms) * 1_000;
        const gbPerSecond = (perSecond * this.#task.bytes) / 1e9;
        return { perSecond, thousandPerSecond: perSecond / 1_000, gbPerSecond };
      }
    }
  }

  async #latencies(): Promise<Record<string, number>> {
    const client = this.#clients[0] as Dialed;
    this.#count = Math.min(this.#count, MAX_SAMPLES);
    const times = new Float64Array(this.#count);
    for (let index = 0; index < times.length; index++) {
      const startedAt = performance.now();
      await client.send(this.#data);
      times[index] = (performance.now() - startedAt) * 1_000;
    }
    times.sort();
    const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN;
    return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
  }

  async #cpuUs(): Promise<number> {
    return cpuUs() + ((await this.#clients[0]?.cpuUs?.()) ?? 0);
  }
}
