import { existsSync, type FSWatcher, statSync, watch } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Tells when something appears at, or goes from, the path of a socket, also when its directory is not there yet: then the
 * nearest one that is there is watched. It never keeps the process alive, and may miss what happens above that directory;
 * where the system has no more watches it sees nothing. So it can only make somebody look sooner.
 */
export class PathWatch implements Disposable {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #onError: (error: unknown) => void;
  #watcher: FSWatcher | undefined;

  /** @param onError why nothing is seen any more */
  constructor(path: string, onChange: () => void, onError: (error: unknown) => void) {
    this.#path = path;
    this.#onChange = onChange;
    this.#onError = onError;
    this.#begin();
  }

  /** What has come before it watched, and after somebody had looked, is told of as well. */
  tellIfThere(): void {
    if (existsSync(this.#path)) this.#onChange();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #begin(): void {
    this[Symbol.dispose]();
    const { directory, next } = this.#nearest();
    try {
      const watcher = watch(directory, { persistent: false }, (event, name) => {
        if (watcher !== this.#watcher || event !== "rename") return;
        // The directory itself has gone, or been moved away.
        if (name === basename(directory) && name !== next) this.#begin();
        else if (name === null || name === next) this.#look(directory);
      });
      this.#watcher = watcher;
      watcher.on("error", (error) => {
        if (watcher === this.#watcher) this[Symbol.dispose]();
        this.#onError(error);
      });
    } catch (error) {
      this.#onError(error);
    }
  }

  #look(directory: string): void {
    // What was waited for may be a directory on the way; the socket may be in it already.
    if (directory !== dirname(this.#path)) this.#begin();
    this.#onChange();
  }

  /** The innermost directory on the way that is there, and what is looked for in it. */
  #nearest(): { readonly directory: string; readonly next: string } {
    let directory = dirname(this.#path);
    let next = basename(this.#path);
    while (!isDirectory(directory) && directory !== dirname(directory)) {
      next = basename(directory);
      directory = dirname(directory);
    }
    return { directory: join(directory), next };
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
