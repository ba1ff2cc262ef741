import { EarshotError } from "../index.js";
import { UsageError } from "./arguments.js";
import { EXIT_OF_ERROR, Exit, type ExitCode } from "./exit-codes.js";
import { isBrokenPipe, toLine, write } from "./output.js";

/** Tells on standard error why the command failed, in one line; returns how the process shall end. */
export async function report(error: unknown, isJson: boolean): Promise<ExitCode> {
  // Whoever closed the pipe has what it wanted.
  if (isBrokenPipe(error)) return Exit.OK;
  const line = isJson ? JSON.stringify({ ok: false, ...describe(error) }) : `earshot: ${toLine(explain(error))}`;
  return await end(error, line);
}

/** Prints what is told of an error; returns how the process shall end. */
export async function end(error: unknown, text: string): Promise<ExitCode> {
  await write(process.stderr, `${text}\n`).catch(() => {});
  if (error instanceof EarshotError) return EXIT_OF_ERROR[error.code];
  return error instanceof UsageError ? Exit.USAGE : Exit.FAILED;
}

/** What JSON tells of it. */
export function describe(error: unknown): object {
  if (error instanceof EarshotError) {
    const { code, message, op, remoteCode } = error;
    // What could not even be dialed was not sent.
    const delivery = error.delivery ?? (op === "dial" ? "unsent" : undefined);
    return { code, message, delivery, remoteCode: remoteCode === "" ? undefined : remoteCode };
  }
  return { code: error instanceof UsageError ? "INVALID_ARGUMENT" : "SYSTEM_ERROR", message: explain(error) };
}

function explain(error: unknown): string {
  if (error instanceof UsageError) {
    const help = error.command === undefined ? "earshot --help" : `earshot ${error.command} --help`;
    return `${error.message}${/[.?]$/.test(error.message) ? "" : "."} See: ${help}`;
  }
  return error instanceof Error ? error.message : String(error);
}
