import { fork } from "node:child_process";
import { dial } from "earshot";
import { clientOf, connect } from "earshot/contract";
import { measured } from "./measured-contract.js";

const IN_FLIGHT = 256;
const CALLS = 200_000;
const ITEMS = 1_000_000;
/** The slow ones need not be asked as often. */
const FEW_CALLS = 10_000;
const FEW_ITEMS = 50_000;
const TEXT = "x".repeat(62);

/** Thousands in a second, with so many under way. */
async function calls(call: () => Promise<unknown>, count = CALLS): Promise<number> {
  let left = count;
  const startedAt = performance.now();
  const lane = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return count / (performance.now() - startedAt);
}

async function items(stream: AsyncIterable<unknown>): Promise<number> {
  const startedAt = performance.now();
  let count = 0;
  for await (const _ of stream) count++;
  return count / (performance.now() - startedAt);
}

function* texts(): Generator<string> {
  for (let index = 0; index < ITEMS; index++) yield TEXT;
}

async function upload(send: (items: Iterable<string>) => Promise<number>): Promise<number> {
  const startedAt = performance.now();
  return (await send(texts())) / (performance.now() - startedAt);
}

interface Group {
  readonly name: string;
  readonly runs: Readonly<Record<string, () => Promise<number>>>;
}

/** Typed calls and streams, against raw messages and @grpc/grpc-js: rows as `main.ts` prints them. */
export async function measureContracts(directory: string, rounds: number) {
  const server = fork(new URL("contract-server.js", import.meta.url), [directory]);
  await new Promise((resolve, reject) => server.once("message", resolve).once("exit", reject));
  const raw = await dial(`${directory}/raw`);
  const api = await connect(`${directory}/typed`, measured);
  const grpc = (await import(new URL("../../bench/peers/grpc.js", import.meta.url).href)).dial(`${directory}/grpc`);
  const bytes = Buffer.alloc(64, "x");
  const groups: Group[] = [
    {
      name: "calls, 64 B, 256 in flight",
      runs: {
        "grpc-js": () => calls(() => grpc.echo(bytes), FEW_CALLS),
        "raw send": () => calls(() => raw.send(bytes)),
        "typed, bytes": () => calls(() => api.bytes(bytes)),
        "typed, text": () => calls(() => api.text(TEXT)),
        "typed, async handler": () => calls(() => api.later(TEXT)),
        "typed, zod on both sides": () => calls(() => api.checked({ city: "Riga" })),
      },
    },
    {
      name: "items of 64 B in a stream",
      runs: {
        "grpc-js": () => items(grpc.items(FEW_ITEMS)),
        "from an iterable": () => items(api.items(ITEMS)),
        "from an async generator": () => items(api.asyncItems(ITEMS)),
        "to the server": () => upload((some) => api.upload(some)),
      },
    },
  ];
  const rows = [];
  for (const { name, runs } of groups) {
    const results: Record<string, number[]> = {};
    // Alternating; the first round is to get warm.
    for (let round = 0; round <= rounds; round++) {
      for (const [kind, run] of Object.entries(runs)) {
        const result = await run();
        results[kind] ??= [];
        if (round > 0) results[kind].push(result);
      }
    }
    rows.push({ name, unit: "thousand/s", isLowerBetter: false, results });
  }
  await raw.close();
  await clientOf(api).close();
  grpc.close();
  server.kill();
  return rows;
}
