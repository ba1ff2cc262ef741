import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { write } from "./output.js";

export interface RunOptions {
  /** Kills the command. */
  readonly signal: AbortSignal;
  /** Kills the command after so long; 0 for no limit. */
  readonly timeoutMs: number;
  /** The longest output that is taken. */
  readonly maxOutputBytes: number;
}

/** The message's sender gets the text and the code. */
class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly code = "COMMAND_FAILED";
}

/** So much of what a command prints on its standard error is kept, to tell its last line. */
const TAIL_BYTES = 4_096;
const MAX_LINE = 500;

/**
 * Runs `sh -c command` with the input on its standard input, as it comes; what it prints on its standard output comes as it
 * is printed. The end comes when the command has succeeded, and all of the input was read, whoever wanted it.
 */
export async function* runCommand(
  command: string,
  input: AsyncIterable<Uint8Array>,
  { signal, timeoutMs, maxOutputBytes }: RunOptions,
): AsyncGenerator<Buffer, void, undefined> {
  // Not before it is needed, also where a bundle makes one file of all this.
  const { spawn } = await import("node:child_process");
  signal.throwIfAborted();
  // A process group of its own: Ctrl-C in the terminal lets it finish, and a kill reaches all that it started.
  const child = spawn("sh", ["-c", command], { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const running = new Running(child);
  const onAbort = () => running.kill("was killed: nobody waits for its answer any more");
  signal.addEventListener("abort", onAbort, { once: true });
  const late = () => running.kill(`was killed after ${timeoutMs} ms`);
  const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs) : undefined;
  const fed = feed(input, child.stdin).catch((error: unknown) => running.fail(error));
  try {
    yield* take(child.stdout, maxOutputBytes, running);
    await running.succeeded();
    await fed;
    running.throwIfFailed();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    // All that succeeded has ended; what it left behind is its own business.
    running.kill("was killed: nobody takes what it prints");
  }
}

async function* take(output: Readable, maxBytes: number, running: Running): AsyncGenerator<Buffer, void, undefined> {
  let length = 0;
  for await (const chunk of output as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      running.kill(`printed more than ${maxBytes} bytes`);
      break;
    }
    yield chunk;
  }
}

/** Reads all of the input; not to read all of it is a command's good right. */
async function feed(input: AsyncIterable<Uint8Array>, to: Writable): Promise<void> {
  to.on("error", () => {});
  let isWanted = true;
  for await (const chunk of input) {
    if (!isWanted) continue;
    await write(to, chunk).catch(() => {
      isWanted = false;
    });
  }
  to.end();
}

/** A command until it has ended. */
class Running {
  readonly #child: ChildProcess;
  readonly #closed: Promise<string | undefined>;
  #isClosed = false;
  #tail: Buffer = Buffer.alloc(0);
  #reason: string | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-TAIL_BYTES);
    });
    child.on("error", (error) => {
      this.#reason ??= `cannot be run: ${error.message}`;
    });
    this.#closed = new Promise((resolve) => {
      child.on("close", (code, killedBy) => {
        this.#isClosed = true;
        const ending = code === null ? `was killed by ${killedBy}` : `ended with exit code ${code}`;
        resolve(code === 0 ? undefined : ending);
      });
    });
  }

  /** @param why to be put behind "the command" */
  kill(why: string): void {
    if (this.#isClosed) return;
    this.#reason ??= why;
    killGroup(this.#child);
  }

  /** Its input breaks off: what it makes of a part of it is of no use. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.kill("was killed: its input broke off");
  }

  /** Waits until it has ended. @throws CommandFailed, or why its input broke off */
  async succeeded(): Promise<void> {
    const ending = await this.#closed;
    this.throwIfFailed();
    const reason = this.#reason ?? ending;
    if (reason !== undefined) throw new CommandFailed(`the command ${reason}${lastLine(this.#tail)}`);
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // All of it has ended already.
  }
}

function lastLine(tail: Buffer): string {
  const line = tail.toString().trimEnd().split("\n").at(-1) ?? "";
  return line === "" ? "" : `: ${line.slice(-MAX_LINE)}`;
}
