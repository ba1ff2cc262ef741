import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { describe } from "../contract/index.js";
import { examine } from "../index.js";
import type { Candidate } from "./complete.js";

/** Who waits for a word at a terminal waits no longer. */
const PATIENCE_MS = 500;
const ENDING = ".sock";

/** The bare names of which there are sockets. */
export async function socketNames(): Promise<readonly Candidate[]> {
  try {
    // Any name tells where they are: for that nothing needs to be there.
    const { path } = await examine("any", { timeoutMs: PATIENCE_MS, wire: "plain" });
    if (path === undefined) return [];
    const entries = await readdir(dirname(path.text), { withFileTypes: true });
    return entries
      .filter((entry) => entry.isSocket() && /^[A-Za-z0-9][\w-]*\.sock$/.test(entry.name))
      .map((entry) => [entry.name.slice(0, -ENDING.length), ""]);
  } catch {
    return [];
  }
}

/** What the contract there has; nothing where there is none. */
export async function procedureNames(address: string): Promise<readonly Candidate[]> {
  try {
    const { procedures } = await describe(address, { connectTimeoutMs: PATIENCE_MS, timeoutMs: PATIENCE_MS });
    // A shell is given them as they are, and they are a stranger's: ours have no other characters.
    const fitting = procedures.filter(({ name }) => /^[\w.]+$/.test(name));
    return fitting.map(({ name, summary, kind }) => [name, summary ?? kind]);
  } catch {
    return [];
  }
}
