import { unlinkSync } from "node:fs";
import { mkdir, open, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { keepIn, OutputError, type Place, type Sink, writeTo } from "./sink.js";

const SEQUENCE_DIGITS = 6;

/**
 * A file for each message, which has its name when it is complete. Names sort as the messages came: the time, a number,
 * and a word of this process's own, for other servers may use the directory as well.
 */
class DirectorySink implements Sink {
  readonly isShared = false;
  readonly #path: string;
  readonly #word = Math.random().toString(36).slice(2, 8).padEnd(6, "0");
  readonly #unfinished = new Set<string>();
  #sequence = 0;
  #lastMs = 0;

  constructor(path: string) {
    this.#path = path;
  }

  keep(...chunks: readonly (string | Uint8Array)[]): Promise<void> {
    return keepIn(this, chunks);
  }

  async begin(): Promise<Place> {
    const name = this.#nextName();
    const path = join(this.#path, name);
    // Hidden, so that `DIR/*` has what is complete.
    const partial = join(this.#path, `.${name}.part`);
    const file = await orFail(path, open(partial, "wx", 0o600));
    this.#unfinished.add(partial);
    return {
      write: (...chunks) => writeTo(file, path, chunks),
      finish: async () => {
        // Some file systems tell only now that there was no room.
        await orFail(path, file.close());
        await orFail(path, rename(partial, path));
        this.#unfinished.delete(partial);
      },
      abandon: async () => {
        await file.close().catch(() => {});
        await unlink(partial).catch(() => {});
        this.#unfinished.delete(partial);
        return "no file is left of it";
      },
    };
  }

  close(): void {
    for (const partial of this.#unfinished) {
      try {
        unlinkSync(partial);
      } catch {
        // It was finished or removed just now.
      }
    }
  }

  /** The clock may be set back; names go on. */
  #nextName(): string {
    this.#lastMs = Math.max(this.#lastMs, Date.now());
    const time = new Date(this.#lastMs).toISOString().replaceAll(":", ".");
    return `${time}-${String(++this.#sequence).padStart(SEQUENCE_DIGITS, "0")}-${this.#word}`;
  }
}

async function orFail<T>(path: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw new OutputError(`cannot write to ${JSON.stringify(path)}`, error);
  }
}

/** A directory, if there is one or the path's end says so: then it is made, for this user alone. */
export async function directorySink(path: string): Promise<Sink | undefined> {
  if (path.endsWith("/")) await mkdir(path, { recursive: true, mode: 0o700 });
  else if (!(await stat(path).catch(() => undefined))?.isDirectory()) return undefined;
  return new DirectorySink(path);
}
