// The client's side of bench/contract.ts, one of `grpc-js`, `raw`, `raw text` and `typed`. Each is a process of its own, as in a program
// that uses one of them: code that has seen the others as well is slower.
import { dial } from "earshot";
import { connect } from "earshot/contract";
import { measured } from "./measured-contract.js";

const IN_FLIGHT = 256;
const CALLS = 200_000;
const ITEMS = 1_000_000;
/** The slow ones need not be asked as often. */
const FEW_CALLS = 10_000;
const FEW_ITEMS = 50_000;
const TEXT = "x".repeat(62);

/**
 * Thousands in a second, with so many under way.
 *
 * @param read what a caller does with what it gets, where that is not read already
 */
async function calls<T>(
  call: () => Promise<T>,
  count = CALLS,
  read: (reply: T) => unknown = () => {},
): Promise<number> {
  let left = count;
  const startedAt = performance.now();
  const lane = async () => {
    while (left-- > 0) read(await call());
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

async function prepare(kind: string, path: string): Promise<Readonly<Record<string, () => Promise<number>>>> {
  const bytes = Buffer.alloc(64, "x");
  if (kind.startsWith("raw")) {
    const raw = await dial(path);
    return {
      bytes: () =>
        calls(
          () => raw.send(bytes),
          CALLS,
          (reply) => reply.bytes,
        ),
      text: () =>
        calls(
          () => raw.send(TEXT),
          CALLS,
          (reply) => reply.text(),
        ),
    };
  }
  if (kind === "grpc-js") {
    const grpc = await (await import(new URL("../../bench/peers/grpc.js", import.meta.url).href)).dial(path);
    return {
      calls: () => calls(() => grpc.send(bytes), FEW_CALLS),
      items: () => items(grpc.items(FEW_ITEMS)),
    };
  }
  const api = await connect(path, measured);
  return {
    bytes: () => calls(() => api.bytes(bytes)),
    text: () => calls(() => api.text(TEXT)),
    "async handler": () => calls(() => api.later(TEXT)),
    "zod on both sides": () => calls(() => api.checked({ city: "Riga" })),
    "from an iterable": () => items(api.items(ITEMS)),
    "from an async generator": () => items(api.asyncItems(ITEMS)),
    "to the server": () => upload((some) => api.upload(some)),
  };
}

const [kind = "", path = ""] = process.argv.slice(2);
const runs = await prepare(kind, path);
process.on("message", async (name) => process.send?.(await runs[String(name)]?.()));
// Whoever has started it may have been killed.
process.on("disconnect", () => process.exit());
process.send?.("ready");
