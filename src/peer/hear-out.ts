import type { Connection } from "./connection.js";

/** For whom closing still waits, and how long. */
export interface HearOut {
  readonly ms: number;
  isAwaited(connection: Connection): boolean;
}

/** Who has only just connected is about to speak: what comes now is still handled. */
export const THE_SILENT: HearOut = { ms: 100, isAwaited: ({ wire }) => wire === undefined };
/** Nobody has asked the server to go, but it has no name any more: who came in the very last instant is served as ever. */
export const THE_LAST: HearOut = { ms: 5_000, isAwaited: () => true };

/** Resolves when nobody is awaited any more. @param connections those that there are by then */
export async function hearOut(connections: ReadonlySet<Connection>, { ms, isAwaited }: HearOut): Promise<void> {
  const deadline = performance.now() + ms;
  for (let turns = 0; performance.now() < deadline; turns++) {
    await new Promise((resolve) => (turns < 2 ? setImmediate(resolve) : setTimeout(resolve, 2)));
    if (turns > 0 && ![...connections].some(isAwaited)) break;
  }
}
