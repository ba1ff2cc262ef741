// One side of bench/outbox.ts, sender or receiver, of one kind: each is a process of its own. It is asked for a number of
// messages, which a sender posts and a receiver waits for.
import { join } from "node:path";
import { listen } from "earshot";
import { inbox, openOutbox } from "earshot/outbox";
import type { Measured, Side } from "./outbox-kinds.js";

const TEXT = "x".repeat(64);
/** So many posts are under way at a time. */
const BATCH = 1_000;

/** Where messages are put. */
interface Sender {
  /** Resolves when it is kept, as its kind promises. */
  post(text: string): Promise<unknown>;
  /** Resolves when nothing is left, where it is the sender who delivers. */
  flush?(): Promise<void>;
}

async function moduleOf(name: string) {
  return await import(new URL(`../../bench/peers/${name}.js`, import.meta.url).href);
}

async function openSender({ peer, directory, kind }: Side): Promise<Sender> {
  if (peer !== undefined) return (await moduleOf(peer.module)).dial(peer.address);
  const { durability, isAlone } = kind;
  if (isAlone) {
    const outbox = await openOutbox(join(directory, "outbox"), { deliver: false, durability });
    return { post: (text) => outbox.post(text) };
  }
  return await openOutbox(join(directory, "outbox"), { address: join(directory, "receiver.sock"), durability });
}

/** @param onHandled called with how many were handled, and are acknowledged */
async function openReceiver({ peer, directory, kind }: Side, onHandled: (count: number) => void): Promise<void> {
  if (peer !== undefined) {
    await (await moduleOf(peer.module)).receive(peer.address, onHandled);
    return;
  }
  const { durability, hasInbox } = kind;
  const deduplicate = hasInbox ? await inbox(join(directory, "inbox"), { durability }) : undefined;
  const countOne = () => {
    onHandled(1);
    return "";
  };
  await listen(join(directory, "receiver.sock"), countOne, { deduplicate });
}

async function measured(run: (onPosted: () => void) => Promise<void>): Promise<Measured> {
  const now = () => performance.timeOrigin + performance.now();
  const startedAt = now();
  const before = process.cpuUsage();
  let postedAt = 0;
  await run(() => {
    postedAt = now();
  });
  const endedAt = now();
  const { user, system } = process.cpuUsage(before);
  return { startedAt, postedAt: postedAt === 0 ? endedAt : postedAt, endedAt, cpuUs: user + system };
}

async function send(sender: Sender, count: number, onPosted: () => void): Promise<void> {
  for (let left = count; left > 0; left -= BATCH) {
    await Promise.all(Array.from({ length: Math.min(left, BATCH) }, () => sender.post(TEXT)));
  }
  onPosted();
  await sender.flush?.();
}

async function prepare(side: Side): Promise<(count: number) => Promise<Measured>> {
  if (side.is === "sender") {
    const sender = await openSender(side);
    return (count) => measured((onPosted) => send(sender, count, onPosted));
  }
  let left = 0;
  let onDone = () => {};
  await openReceiver(side, (count) => {
    left -= count;
    if (left === 0) onDone();
  });
  const nothingLeft = async () => {
    if (left === 0) return;
    await new Promise<void>((resolve) => {
      onDone = resolve;
    });
  };
  return (count) => {
    left += count;
    return measured(() => nothingLeft());
  };
}

const run = await prepare(JSON.parse(process.argv[2] ?? "") as Side);
process.on("message", async (count) => process.send?.(await run(Number(count))));
process.once("disconnect", () => process.exit());
process.send?.("ready");
