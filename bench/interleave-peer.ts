// Both sides of bench/interleave.ts: `serve PATH` takes messages as they come, and those of a few bytes go back; `dial PATH`
// tells the 99th percentile of small calls, in microseconds, while what it is told passes on the same connection.
import { type Client, dial, listen } from "earshot";

const SMALL = Buffer.alloc(64, "x");
const IDLE_CALLS = 5_000;
const PIECE = Buffer.alloc(131_072, "x");
const GIBIBYTE = 2 ** 30;

async function* inPieces(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < GIBIBYTE; sent += PIECE.length) yield PIECE;
}

/** Of calls one after the other, while `goesOn`. */
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

function serve(path: string) {
  return listen(
    path,
    async (message) => {
      let bytes = 0;
      for await (const chunk of message.body) {
        if (message.sizeBytes !== undefined && message.sizeBytes <= 1_024) return chunk;
        bytes += chunk.length;
      }
      return String(bytes);
    },
    { body: "stream" },
  );
}

const [role, path = ""] = process.argv.slice(2);
if (role === "serve") await serve(path);
else {
  const client = await dial(path);
  process.on("message", async (kind) => {
    let left = IDLE_CALLS;
    if (kind === "idle") process.send?.(await p99(client, () => left-- > 0));
    else process.send?.(await whileItPasses(client, kind === "pieces" ? inPieces() : Buffer.alloc(GIBIBYTE, "x")));
  });
}
// Whoever has started it may have been killed.
process.on("disconnect", () => process.exit());
process.send?.("ready");
