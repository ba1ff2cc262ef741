import type { Publication } from "./publication.js";
import { Queue } from "./queue.js";
import { matches, tokensOf } from "./topic.js";

/** How much is kept for those who subscribe later. */
export interface ReplayLimits {
  /** Of each topic. */
  readonly messages: number;
  /** Of all topics together. */
  readonly maxBytes: number;
}

/** So many that are not kept any more may still have a place. */
const MAX_DEAD = 64;

/** The last messages of each topic. */
export class Replay {
  readonly #limits: ReplayLimits;
  readonly #topics = new Map<string, Queue<Publication>>();
  /** All of them, the oldest first, and some that are not kept any more. */
  readonly #all = new Queue<Publication>();
  #bytes = 0;
  #size = 0;

  constructor(limits: ReplayLimits) {
    this.#limits = limits;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  add(publication: Publication): void {
    const { topic, costBytes } = publication;
    if (costBytes > this.#limits.maxBytes) return;
    let kept = this.#topics.get(topic);
    if (kept === undefined) {
      kept = new Queue();
      this.#topics.set(topic, kept);
    }
    kept.push(publication);
    this.#all.push(publication);
    publication.isKept = true;
    this.#size++;
    this.#bytes += costBytes;
    if (kept.size > this.#limits.messages) this.#dropFirst(topic, kept);
    while (this.#bytes > this.#limits.maxBytes) this.#dropOldest();
    if (this.#all.size > 2 * this.#size + MAX_DEAD) this.#all.keep(({ isKept }) => isKept);
  }

  /** At most so many of each topic that the pattern means, the newest of each, in the order of publishing. */
  find(pattern: string, messages: number): Publication[] {
    const found: Publication[] = [];
    if (messages === 0) return found;
    const tokens = tokensOf(pattern);
    for (const [topic, kept] of this.#topics) {
      if (matches(tokens, tokensOf(topic))) found.push(...kept.last(messages));
    }
    return found.sort((a, b) => a.order - b.order);
  }

  clear(): void {
    this.#topics.clear();
    this.#all.keep(() => false);
    this.#bytes = 0;
    this.#size = 0;
  }

  #dropOldest(): void {
    const oldest = this.#all.shift();
    if (oldest === undefined || !oldest.isKept) return;
    const kept = this.#topics.get(oldest.topic);
    // Of its topic it is the oldest, too.
    if (kept !== undefined) this.#dropFirst(oldest.topic, kept);
  }

  #dropFirst(topic: string, kept: Queue<Publication>): void {
    const first = kept.shift();
    if (first === undefined) return;
    if (kept.size === 0) this.#topics.delete(topic);
    first.isKept = false;
    this.#size--;
    this.#bytes -= first.costBytes;
  }
}
