import { Publication } from "./publication.js";
import { Queue } from "./queue.js";
import { matches, tokensOf } from "./topic.js";

/** How much is kept for those who subscribe later. */
export interface ReplayLimits {
  /** Of each topic. */
  readonly messages: number;
  /** Of all topics together. */
  readonly maxBytes: number;
}

interface Kept extends Pick<Publication, "topic" | "order" | "costBytes"> {
  readonly bytes: Buffer;
  isKept: boolean;
  /** What those who subscribe later share, so that it counts once however many they are. */
  shared?: Publication;
}

/** So many that are not kept any more may still have a place. */
const MAX_DEAD = 64;

/** The last messages of each topic. */
export class Replay {
  readonly #limits: ReplayLimits;
  readonly #topics = new Map<string, Queue<Kept>>();
  /** All of them, the oldest first, and some that are not kept any more. */
  readonly #all = new Queue<Kept>();
  #bytes = 0;
  #size = 0;

  constructor(limits: ReplayLimits) {
    this.#limits = limits;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** Keeps a message; the queues in which it waits may let go of it all the same. */
  add({ topic, order, bytes, costBytes }: Publication): void {
    if (bytes === undefined || costBytes > this.#limits.maxBytes) return;
    const publication: Kept = { topic, order, bytes, costBytes, isKept: true };
    let kept = this.#topics.get(topic);
    if (kept === undefined) {
      kept = new Queue();
      this.#topics.set(topic, kept);
    }
    kept.push(publication);
    this.#all.push(publication);
    this.#size++;
    this.#bytes += costBytes;
    if (kept.size > this.#limits.messages) this.#dropFirst(topic, kept);
    while (this.#bytes > this.#limits.maxBytes) this.#dropOldest();
    if (this.#all.size > 2 * this.#size + MAX_DEAD) this.#all.keep(({ isKept }) => isKept);
  }

  /** At most so many of each topic that the pattern means, the newest of each, in the order of publishing. */
  find(pattern: string, messages: number): Publication[] {
    const found: Kept[] = [];
    if (messages === 0) return [];
    const tokens = tokensOf(pattern);
    for (const [topic, kept] of this.#topics) {
      if (matches(tokens, tokensOf(topic))) for (const publication of kept.last(messages)) found.push(publication);
    }
    found.sort((a, b) => a.order - b.order);
    return found.map((kept) => {
      // One that was let go is of no use any more.
      if (kept.shared?.bytes === undefined) kept.shared = new Publication(kept.topic, kept.order, kept.bytes);
      return kept.shared;
    });
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

  #dropFirst(topic: string, kept: Queue<Kept>): void {
    const first = kept.shift();
    if (first === undefined) return;
    if (kept.size === 0) this.#topics.delete(topic);
    first.isKept = false;
    this.#size--;
    this.#bytes -= first.costBytes;
  }
}
