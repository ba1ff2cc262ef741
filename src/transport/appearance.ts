import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { SocketTarget } from "./resolve.js";

/** For servers that are not ours, whose file is there before they listen, and for changes that no watcher tells. */
const LOOK_AGAIN_MS = 100;
/** Where nothing is told: an abstract name has no file. */
const POLL_MS = 15;

/** Waits for what appears at an address. To be made before the first look, so that nothing is missed between. */
export class Appearance implements Disposable {
  readonly #watcher: FSWatcher | undefined;
  readonly #name: string;
  #hasChanged = false;
  #wake: () => void = () => {};

  constructor(target: SocketTarget) {
    this.#name = target.kind === "path" ? basename(target.path) : "";
    this.#watcher = target.kind === "path" ? this.#watch(dirname(target.path)) : undefined;
  }

  /** Resolves when it is worth looking: the file has changed since the last call, or it is time. Never rejects. */
  async next(signal: AbortSignal): Promise<void> {
    if (!this.#hasChanged && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#watcher === undefined ? POLL_MS : LOOK_AGAIN_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener("abort", this.#wake, { once: true });
      });
      signal.removeEventListener("abort", this.#wake);
    }
    this.#hasChanged = false;
  }

  /** What else makes it worth looking. */
  change(): void {
    this.#hasChanged = true;
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }

  /** `undefined` where the directory is not there, or the system watches no more: then time alone tells. */
  #watch(directory: string): FSWatcher | undefined {
    try {
      const watcher = watch(directory, (_, name) => {
        if (name === null || name === this.#name) this.change();
      });
      watcher.on("error", () => this.change());
      return watcher;
    } catch {
      return undefined;
    }
  }
}
