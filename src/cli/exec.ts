import type { ChildProcess } from "node:child_process";

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

/** Runs `sh -c command` with the input on its standard input; resolves with its standard output if it succeeds. */
export async function runCommand(command: string, input: Uint8Array, options: RunOptions): Promise<Buffer> {
  const { signal, timeoutMs, maxOutputBytes } = options;
  // Not before it is needed, also where a bundle makes one file of all this.
  const { spawn } = await import("node:child_process");
  return await new Promise((resolve, reject) => {
    if (signal.aborted) throw signal.reason;
    // A process group of its own: Ctrl-C in the terminal lets it finish, and a kill reaches all that it started.
    const child = spawn("sh", ["-c", command], { stdio: ["pipe", "pipe", "pipe"], detached: true });
    const output: Buffer[] = [];
    let length = 0;
    let tail = Buffer.alloc(0);
    let reason: string | undefined;

    const kill = (why: string) => {
      reason ??= why;
      killGroup(child);
    };
    const onAbort = () => kill("was killed: nobody waits for its answer any more");
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = timeoutMs > 0 ? setTimeout(kill, timeoutMs, `was killed after ${timeoutMs} ms`) : undefined;

    child.stdout.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxOutputBytes) output.push(chunk);
      else kill(`printed more than ${maxOutputBytes} bytes`);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
    });
    // Not to read all of its input is a command's good right.
    child.stdin.on("error", () => {});
    child.stdin.end(input);

    child.on("error", (error) => {
      reason ??= `cannot be run: ${error.message}`;
    });
    child.on("close", (code, killedBy) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      const ending = code === null ? `was killed by ${killedBy}` : `ended with exit code ${code}`;
      if (reason === undefined && code === 0) resolve(Buffer.concat(output, length));
      else reject(new CommandFailed(`the command ${reason ?? ending}${lastLine(tail)}`));
    });
  });
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
