const MAX_BYTES = 67_108_864;

/** What decides whether a message can be tried beside others. */
interface Weight {
  readonly bytes: number;
  /** It may have taken a server down: then it is tried alone. */
  readonly isSuspect: boolean;
}

/** How much is under way at a time. */
export class Load {
  readonly #concurrency: number;
  #count = 0;
  #bytes = 0;
  #isAlone = false;
  /** What is next, and found no room: to read it again before there is some takes long where it is large. */
  #heldBack: Weight | undefined;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  get isNone(): boolean {
    return this.#count === 0;
  }

  /** Whether it is worth looking for a message. */
  get hasRoom(): boolean {
    const fits = this.#heldBack === undefined || this.#fits(this.#heldBack);
    return fits && !this.#isAlone && this.#count < this.#concurrency;
  }

  /** Another may be next. */
  forgetHeldBack(): void {
    this.#heldBack = undefined;
  }

  /** False: not now, nor anything else before it. */
  take(weight: Weight): boolean {
    const fits = this.#fits(weight);
    this.#heldBack = fits ? undefined : weight;
    if (!fits) return false;
    this.#count++;
    this.#bytes += weight.bytes;
    this.#isAlone = weight.isSuspect;
    return true;
  }

  release(bytes: number): void {
    this.#count--;
    this.#bytes -= bytes;
    this.#isAlone = false;
  }

  #fits({ bytes, isSuspect }: Weight): boolean {
    return this.isNone || (!isSuspect && this.#bytes + bytes <= MAX_BYTES);
  }
}
