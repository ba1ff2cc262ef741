import { isUtf8 } from "node:buffer";
import { type Client, dial, type Subscription, type TopicMessage } from "../index.js";
import {
  COMMON_OPTIONS,
  checkVoice,
  parse,
  readBytes,
  readChoice,
  readNumber,
  readTimeout,
  takePositionals,
  UsageError,
} from "./arguments.js";
import { Ending, endBy, type SignalCode } from "./ending.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { isBrokenPipe, write } from "./output.js";
import { TimeLimit } from "./time-limit.js";

export { report } from "./report.js";

const OPTIONS = {
  ...COMMON_OPTIONS,
  count: { type: "string" },
  replay: { type: "string" },
  slow: { type: "string" },
  "max-message-bytes": { type: "string" },
} as const;

/** How long a server may take to let this side in and confirm the subscription. */
const DEFAULT_CONNECT_MS = 5_000;
const NEWLINE = 0x0a;

interface Output {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  /** After so many messages it ends. */
  readonly count: number;
}

/** `earshot subscribe ADDRESS PATTERN` */
export async function run(args: readonly string[]): Promise<ExitCode | SignalCode> {
  const { values, positionals } = await parse("subscribe", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("subscribe");
  const [address, pattern] = takePositionals("subscribe", positionals, ["ADDRESS", "PATTERN"]);
  if (pattern === undefined) throw new UsageError("the PATTERN is missing; '>' is every topic", "subscribe");
  checkVoice("subscribe", values);
  const { json: isJson = false, quiet: isQuiet = false } = values;
  const limitMs = readTimeout("subscribe", values["timeout-ms"]) ?? DEFAULT_CONNECT_MS;
  const maxMessageBytes = readBytes("subscribe", "max-message-bytes", values["max-message-bytes"]);
  const count = readNumber("subscribe", "count", values.count) ?? Infinity;
  const replay = readNumber("subscribe", "replay", values.replay);
  const slow = readChoice("subscribe", "slow", values.slow, ["drop", "disconnect", "wait"]);
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;

  const ending = new Ending(process);
  const { signal } = ending;
  const time = new TimeLimit(limitMs);
  let client: Client | undefined;
  try {
    client = await dial(address, { connectTimeoutMs: limitMs, maxMessageBytes, logger, signal });
    const subscription = client.subscribe(pattern, { timeoutMs: time.leftMs, replay, slow });
    signal.addEventListener("abort", () => void subscription.return(), { once: true });
    await subscription.ready;
    await print(subscription, { isJson, isQuiet, count });
  } catch (error) {
    if (ending.by === undefined && !isBrokenPipe(error)) throw error;
  } finally {
    await Promise.race([client?.close(), ending.forced]);
  }
  return ending.by === undefined ? Exit.OK : endBy(ending.by, process);
}

/** Each message when it is there; the next is asked for when this one is out of our hands. */
async function print(subscription: Subscription, { isJson, isQuiet, count }: Output): Promise<void> {
  let left = count;
  if (left === 0) return;
  for await (const message of subscription) {
    if (isJson) await write(process.stdout, `${JSON.stringify(describe(message))}\n`);
    else {
      if (message.dropped > 0 && !isQuiet) await write(process.stderr, `${lossText(message.dropped)}\n`);
      const { bytes } = message;
      const isLine = bytes.at(-1) === NEWLINE || !isUtf8(bytes);
      await write(process.stdout, bytes, ...(isLine ? [] : ["\n"]));
    }
    if (--left === 0) return;
  }
}

function lossText(dropped: number): string {
  return `${dropped} messages had no place on the server while this side was slow`;
}

function describe(message: TopicMessage): object {
  const { topic, bytes, byteLength, dropped, isReplayed } = message;
  const content = isUtf8(bytes) ? { text: message.text() } : { base64: Buffer.from(bytes).toString("base64") };
  const loss = dropped > 0 ? { dropped } : {};
  return { topic, bytes: byteLength, ...content, ...loss, ...(isReplayed ? { replayed: true } : {}) };
}
