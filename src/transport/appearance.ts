import { existsSync } from "node:fs";
import type { SocketTarget } from "./resolve.js";
import { PathWatch } from "./watch.js";

/** For servers that are not ours, whose file is there before they listen, and for changes that no watcher tells. */
const LOOK_AGAIN_MS = 100;
/** Where nothing is told: an abstract name has no file, and the system may watch no more. */
const POLL_MS = 15;

/** Waits for what appears at an address. To be made before the first look, so that nothing is missed between. */
export class Appearance implements Disposable {
  readonly #watch: PathWatch | undefined;
  /** Of its socket's file; `undefined` for a name that has none. */
  readonly #path: string | undefined;
  /** How often something has appeared at the path or gone from it, where one of them is of what was there before. */
  #changes = 0;
  /** Nothing is told: time alone tells. */
  #isBlind: boolean;
  #hasChanged = false;
  #wake: () => void = () => {};

  constructor(target: SocketTarget) {
    this.#isBlind = target.kind !== "path";
    const onError = () => {
      this.#isBlind = true;
    };
    if (target.kind !== "path") return;
    this.#path = target.path;
    this.#changes = existsSync(target.path) ? -1 : 0;
    const onChange = () => {
      this.#changes++;
      this.change();
    };
    this.#watch = new PathWatch(target.path, onChange, onError);
  }

  /** Whether a socket's file has appeared since this was made, and has gone again, as far as anybody has seen. */
  get hasComeAndGone(): boolean {
    return this.#path !== undefined && this.#changes > 1 && !existsSync(this.#path);
  }

  /** Resolves when it is worth looking: the file has changed since the last call, or it is time. Never rejects. */
  async next(signal: AbortSignal): Promise<void> {
    if (!this.#hasChanged && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#isBlind ? POLL_MS : LOOK_AGAIN_MS);
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
    this.#watch?.[Symbol.dispose]();
  }
}
