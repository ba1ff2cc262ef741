// Typed calls against raw messages, and streams: `npm run build && node --import tsx bench/contract.ts`. Two processes, one run, medians.
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dial } from "earshot";
import { clientOf, connect } from "earshot/contract";
import { measured } from "./measured-contract.js";

const IN_FLIGHT = 256;
const CALLS = 200_000;
const ITEMS = 1_000_000;
const ROUNDS = 5;
const TEXT = "x".repeat(62);

/** Thousands in a second, with so many under way. */
async function calls(call: () => Promise<unknown>): Promise<number> {
  let left = CALLS;
  const startedAt = performance.now();
  const lane = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return CALLS / (performance.now() - startedAt);
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

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const directory = mkdtempSync(join(tmpdir(), "e-"));
const server = fork(new URL("contract-server.ts", import.meta.url), [directory]);
await new Promise((resolve) => server.once("message", resolve));

const raw = await dial(`${directory}/raw`);
const api = await connect(`${directory}/typed`, measured);
const bytes = Buffer.alloc(64, "x");
const runs: [string, () => Promise<number>][] = [
  ["raw send, 64 B", () => calls(() => raw.send(bytes))],
  ["typed, the same bytes", () => calls(() => api.bytes(bytes))],
  ["typed, a text", () => calls(() => api.text(TEXT))],
  ["typed, async handler", () => calls(() => api.later(TEXT))],
  ["typed, zod on both sides", () => calls(() => api.checked({ city: "Riga" }))],
  ["server stream, iterable", () => items(api.items(ITEMS))],
  ["server stream, async generator", () => items(api.asyncItems(ITEMS))],
  ["client stream", () => upload((some) => api.upload(some))],
];
const results = new Map<string, number[]>(runs.map(([name]) => [name, []]));
// The first round is to get warm.
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of runs) {
    const result = await run();
    if (round > 0) results.get(name)?.push(result);
  }
}
const base = median([...(results.get("raw send, 64 B") ?? [])]);
for (const [name, values] of results) {
  const middle = median(values);
  const ratio = name.includes("stream") ? "" : `  ${(middle / base).toFixed(2)} of raw`;
  console.log(`${name.padEnd(32)} ${middle.toFixed(0).padStart(6)} thousand/s${ratio}`);
}
await raw.close();
await clientOf(api).close();
server.kill();
rmSync(directory, { recursive: true });
