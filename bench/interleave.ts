import { fork } from "node:child_process";
import { join } from "node:path";
import { type Client, dial } from "earshot";

const SMALL = Buffer.alloc(64, "x");
const IDLE_CALLS = 5_000;
const PIECE = Buffer.alloc(131_072, "x");
const GIBIBYTE = 2 ** 30;

async function* inPieces(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < GIBIBYTE; sent += PIECE.length) yield PIECE;
}

/** How long small calls take, one after the other, while `goesOn`: the 99th percentile, in microseconds. */
async function p99(client: Client, goesOn: () => boolean): Promise<number> {
  const times: number[] = [];
  while (goesOn()) {
    const startedAt = performance.now();
    await client.send(SMALL);
    times.push((performance.now() - startedAt) * 1_000);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] ?? Number.NaN;
}

async function whileItPasses(client: Client, data: Uint8Array | AsyncIterable<Uint8Array>): Promise<number> {
  let isPassing = true;
  const passing = client.send(data).finally(() => {
    isPassing = false;
  });
  const result = await p99(client, () => isPassing);
  const bytes = Number((await passing).text());
  if (bytes !== GIBIBYTE) throw new Error(`${bytes} bytes have come`);
  return result;
}

/** The worst of small calls on an idle connection, and while a gibibyte passes on the same. */
export async function measureInterleaving(directory: string, rounds: number) {
  const path = join(directory, "interleave.sock");
  const server = fork(new URL("interleave-server.ts", import.meta.url), [path], { execArgv: ["--import", "tsx"] });
  await new Promise((resolve, reject) => server.once("message", resolve).once("exit", reject));
  const client = await dial(path);
  const whole = Buffer.alloc(GIBIBYTE, "x");
  const idle = () => {
    let left = IDLE_CALLS;
    return p99(client, () => left-- > 0);
  };
  const runs: Readonly<Record<string, () => Promise<number>>> = {
    idle,
    "1 GiB in pieces": () => whileItPasses(client, inPieces()),
    "1 GiB in one": () => whileItPasses(client, whole),
  };
  const results: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const [kind, run] of Object.entries(runs)) {
      const result = await run();
      results[kind] ??= [];
      if (round > 0) results[kind].push(result);
    }
  }
  await client.close();
  server.kill();
  return { name: "p99 of small calls, same connection", unit: "µs", isLowerBetter: true, results };
}
