/**
 * Callers who find no server agree on who starts it. The one who does listens on a socket beside the server's, which is
 * claimed like any other: so there is one of them, and a killed one is in nobody's way. The others connect to it, and get its
 * word: the connection breaks when it dies, so that nobody waits for nothing.
 *
 * Nothing rests on it but that one process is started instead of many: where callers cannot agree (another user has the
 * name, the directory cannot be written to), each starts one, and the claim on the server's path lets one of them live.
 */
import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { type Claim, tryClaim } from "./claim.js";
import { runtimeDirectory } from "./directory.js";
import { pathLimitBytes, type SocketTarget } from "./resolve.js";

/** A word is a few lines; what is longer is not from one of ours. */
const MAX_WORD_BYTES = 16_384;
/** Between two looks at a name that others are taking. */
const CONTENDED_MS = 5;
const HASH_LENGTH = 16;

/** What one caller does about a server that is not there. */
export type Start =
  /** This caller starts it, and then says what came of it; `end` is to be called in any case. */
  | { readonly kind: "own"; tell(word: string): void; end(): Promise<void> }
  /** Another one has, or has tried: its word, or `undefined` if it is gone without one. */
  | { readonly kind: "other"; readonly word: string | undefined };

/** The files beside a socket that starting a server needs. */
export interface StartFiles {
  /** Where the starter listens. */
  readonly socket: string;
  /** What the server says, where nobody wants it elsewhere. */
  readonly log: string;
}

/** @throws EarshotError `UNSAFE_DIRECTORY` */
export function startFiles(target: SocketTarget): StartFiles {
  if (target.kind === "path") {
    const base = join(dirname(target.path), `.${basename(target.path)}`);
    const socket = `${base}.start`;
    if (Buffer.byteLength(socket) <= pathLimitBytes()) return { socket, log: `${base}.log` };
  }
  // Abstract names have no directory, and long paths no room beside them.
  const hash = createHash("sha256").update(target.text).digest("hex").slice(0, HASH_LENGTH);
  const base = join(runtimeDirectory(process.env, "listen", target.text), `.${hash}`);
  return { socket: `${base}.start`, log: `${base}.log` };
}

/** Waits for another caller's word, or takes over. @throws the signal's reason */
export async function takeStart({ socket: path }: StartFiles, signal: AbortSignal): Promise<Start> {
  for (;;) {
    signal.throwIfAborted();
    if (isStrangers(path)) return alone();
    const heard = await hear(path, signal);
    if (heard !== "nobody") return { kind: "other", word: heard };
    const own = await takeOver(path);
    if (own !== "contended") return own;
    await delay(CONTENDED_MS);
  }
}

/**
 * In a directory like /tmp anybody may have the name, and could tell us anything. What is ours nobody but us and root can
 * replace there.
 */
function isStrangers(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.uid !== process.geteuid?.();
}

/** Resolves with `"nobody"` if nobody listens there. */
function hear(path: string, signal: AbortSignal): Promise<string | undefined | "nobody"> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let word = "";
    let isConnected = false;
    const onAbort = () => socket.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    socket.setEncoding("utf8");
    socket.on("connect", () => {
      isConnected = true;
    });
    socket.on("data", (text: string) => {
      word += text;
      if (word.length > MAX_WORD_BYTES) socket.destroy();
    });
    // What follows tells enough.
    socket.on("error", () => {});
    socket.on("close", () => {
      signal.removeEventListener("abort", onAbort);
      if (signal.aborted) reject(signal.reason);
      else if (!isConnected) resolve("nobody");
      else resolve(word.endsWith("\n") ? word.slice(0, -1) : undefined);
    });
  });
}

async function takeOver(path: string): Promise<Start | "contended"> {
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    waiting.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => waiting.delete(socket));
    // It says nothing; its end is only seen when it is read.
    socket.resume();
  });
  try {
    const claimed = await tryClaim(path, 0o600, (temporary) => startListening(server, temporary));
    if (claimed === "foreign") return alone();
    return typeof claimed === "string" ? "contended" : owned(server, claimed, waiting);
  } catch {
    return alone();
  }
}

function startListening(server: Server, path: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, exclusive: true }, () => resolve(() => server.close()));
  });
}

function owned(server: Server, claimed: Claim, waiting: Set<Socket>): Start {
  let told: string | undefined;
  // It is over for this side when the kernel has the word: who waits may stand still, and keeps no process alive.
  const tellTo = (socket: Socket) => {
    socket.write(told ?? "");
    socket.destroySoon();
  };
  server.on("connection", (socket) => {
    if (told !== undefined) tellTo(socket);
  });
  return {
    kind: "own",
    tell(word) {
      told = `${word}\n`;
      claimed.release();
      for (const socket of waiting) tellTo(socket);
    },
    async end() {
      claimed.release();
      // Who has connected before the name went away; each turn hands over one, and one without any has seen the end.
      for (let before = -1; before !== waiting.size; ) {
        before = waiting.size;
        await nextTurn();
        await nextTurn();
      }
      if (told === undefined) for (const socket of waiting) socket.destroy();
      server.close();
      claimed.dispose();
    },
  };
}

/** Without an agreement. */
function alone(): Start {
  return { kind: "own", tell() {}, async end() {} };
}
