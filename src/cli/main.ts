import type { SignalCode } from "./ending.js";
import type { ExitCode } from "./exit-codes.js";

/** A command: takes what follows its name, prints, and says how the process shall end. */
interface Command {
  run(args: readonly string[]): Promise<ExitCode | SignalCode>;
  /** Tells why `run` failed. It comes with the command, so that a command that succeeds loads one file only. */
  report(error: unknown, isJson: boolean): Promise<ExitCode>;
}

// Each is loaded when it is called: a script may send a thousand messages, each with a process of its own.
const COMMANDS: ReadonlyMap<string | undefined, () => Promise<Command>> = new Map([
  ["listen", () => import("./listen.js")],
  ["send", () => import("./send.js")],
  ["subscribe", () => import("./subscribe.js")],
  ["ping", () => import("./ping.js")],
  ["bench", () => import("./bench.js")],
  ["doctor", () => import("./doctor.js")],
  ["describe", () => import("./describe.js")],
  ["call", () => import("./call.js")],
  ["post", () => import("./post.js")],
  ["outbox", () => import("./outbox.js")],
  ["completion", () => import("./completion.js")],
  ["complete", () => import("./complete.js")],
]);

async function main(args: readonly string[]): Promise<number> {
  const load = COMMANDS.get(args[0]);
  const command: Command = load === undefined ? await import("./no-command.js") : await load();
  try {
    return await command.run(load === undefined ? args : args.slice(1));
  } catch (error) {
    return await command.report(error, args.includes("--json"));
  }
}

// All output has left by now, and an open standard input shall not keep the process.
process.exit(await main(process.argv.slice(2)));
