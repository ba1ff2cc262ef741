import { basename, delimiter, dirname } from "node:path";

/** What of `process` tells how the program was called; tests give another. */
export type Caller = Pick<NodeJS.Process, "argv" | "env">;

/**
 * The line of shell that sends a message to this server, from any directory. npm and npx put directories on the `PATH`
 * that no other terminal has, so their name for the program is not enough.
 */
export function sendCommand(address: string, isPlain: boolean, { argv, env }: Caller = process): string {
  const script = argv[1] ?? "earshot";
  const { PATH = "", npm_command } = env;
  const isOnPath = npm_command === undefined && PATH.split(delimiter).includes(dirname(script));
  const words = /\.[cm]?[jt]s$/.test(script) ? ["node", script] : [isOnPath ? basename(script) : script];
  const options = isPlain ? ["--wire", "plain"] : [];
  return [...words, "send", ...options, address, "hello"].map(quote).join(" ");
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
