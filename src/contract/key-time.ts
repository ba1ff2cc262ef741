import { CodecError } from "./codec.js";

/** So often it is asked how long it has taken. */
const EVERY = 1_024;
/** What the keys of one value may take in all, and what each adds to it: several times what honest ones take. */
const LEAST_US = 500_000;
const EACH_US = 1;

/**
 * Keeps count of the keys of a value's Maps and Sets. V8 tells BigInts apart by their lowest 64 bits, and numbers without a
 * secret, so that keys can be chosen of which each takes as long as all before it: a megabyte of them would take minutes.
 */
export class KeyTime {
  #keys = 0;
  #startedAt = 0;
  #usage: NodeJS.CpuUsage | undefined;

  /** A value begins. */
  reset(): void {
    this.#keys = 0;
  }

  /** One more is to be put in. @throws CodecError */
  add(): void {
    if (this.#keys++ % EVERY > 0) return;
    if (this.#keys === 1) {
      this.#startedAt = performance.now();
      this.#usage = process.cpuUsage();
      return;
    }
    const mostUs = LEAST_US + this.#keys * EACH_US;
    if ((performance.now() - this.#startedAt) * 1_000 < mostUs) return;
    // A process that stood still meanwhile, or had no processor, is not their fault.
    const { user, system } = process.cpuUsage(this.#usage);
    if (user + system >= mostUs) throw new CodecError("keys of Maps or Sets that take too long to tell apart");
  }
}
