import type { Contender, Dialed } from "./contenders.js";

/** One measurement; larger is better unless it says otherwise. */
export interface Workload {
  readonly name: string;
  readonly unit: string;
  readonly isLowerBetter?: boolean;
  /** Both sides on one core: what it costs, without what waking another core costs. */
  readonly isOnOneCore?: boolean;
  readonly isLarge?: boolean;
  run(contender: Contender, path: string): Promise<number>;
}

const SMALL = Buffer.alloc(64, "x");
const MEBIBYTE = Buffer.alloc(1_048_576, "x");

async function withClient<T>(contender: Contender, path: string, use: (client: Dialed) => Promise<T>): Promise<T> {
  const client = await contender.dial(path);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Keeps so many messages under way until `count` are acknowledged; returns the seconds that took. */
async function pump(client: Dialed, payload: Uint8Array, inFlight: number, count: number): Promise<number> {
  let left = count;
  const startedAt = performance.now();
  const lane = async () => {
    while (left-- > 0) await client.send(payload);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (performance.now() - startedAt) / 1_000;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function roundTrip(contender: Contender, path: string): Promise<number> {
  return withClient(contender, path, async (client) => {
    await pump(client, SMALL, 1, 500);
    const times: number[] = [];
    for (let index = 0; index < 5_000; index++) {
      const startedAt = performance.now();
      await client.send(SMALL);
      times.push((performance.now() - startedAt) * 1_000);
    }
    return median(times);
  });
}

export const WORKLOADS: readonly Workload[] = [
  { name: "round trip, 64 B, median", unit: "µs", isLowerBetter: true, run: roundTrip },
  { name: "the same, both on one core", unit: "µs", isLowerBetter: true, isOnOneCore: true, run: roundTrip },
  {
    name: "256 in flight, 64 B",
    unit: "thousand/s",
    run: (contender, path) =>
      withClient(contender, path, async (client) => {
        await pump(client, SMALL, 256, 20_000);
        return 200_000 / (await pump(client, SMALL, 256, 200_000)) / 1_000;
      }),
  },
  {
    name: "1 MiB, 8 in flight, short reply",
    unit: "GB/s",
    isLarge: true,
    run: (contender, path) =>
      withClient(contender, path, async (client) => {
        await pump(client, MEBIBYTE, 8, 200);
        return (1_500 * MEBIBYTE.length) / (await pump(client, MEBIBYTE, 8, 1_500)) / 1e9;
      }),
  },
  {
    name: "connect + send + close",
    unit: "/s",
    async run(contender, path) {
      const cycle = () => withClient(contender, path, (client) => client.send(SMALL));
      for (let index = 0; index < 100; index++) await cycle();
      const startedAt = performance.now();
      for (let index = 0; index < 1_000; index++) await cycle();
      return 1_000 / ((performance.now() - startedAt) / 1_000);
    },
  },
];
