import type { ExitCode } from "./exit-codes.js";

/** A command: takes what follows its name, prints, and says how the process shall end. */
interface Command {
  run(args: readonly string[]): Promise<ExitCode | SignalCode>;
}

/** 128 and the signal's number, as shells tell it. */
type SignalCode = 129 | 130 | 143;

// Each is loaded when it is called: a script may send a thousand messages, each with a process of its own.
const COMMANDS: ReadonlyMap<string | undefined, () => Promise<Command>> = new Map([
  ["listen", () => import("./listen.js")],
  ["send", () => import("./send.js")],
  ["ping", () => import("./ping.js")],
]);

async function main(args: readonly string[]): Promise<number> {
  try {
    const load = COMMANDS.get(args[0]);
    if (load !== undefined) return await (await load()).run(args.slice(1));
    const { runWithoutCommand } = await import("./no-command.js");
    return await runWithoutCommand(args[0], [...COMMANDS.keys()]);
  } catch (error) {
    const { report } = await import("./report.js");
    return await report(error, args.includes("--json"));
  }
}

// All output has left by now, and an open standard input shall not keep the process.
process.exit(await main(process.argv.slice(2)));
