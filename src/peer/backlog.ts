import type { Publication } from "./publication.js";

/**
 * The published messages that wait in the queues of any subscribers, each counted once. When they take more memory than they may,
 * the oldest are let go, whoever still waits for them.
 */
export class Backlog {
  readonly #maxBytes: number;
  #bytes = 0;
  #oldest: Publication | undefined;
  #newest: Publication | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** It waits in one queue more. */
  hold(publication: Publication): void {
    if (publication.holders++ > 0) return;
    publication.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = publication;
    else this.#newest.newer = publication;
    this.#newest = publication;
    this.#bytes += publication.costBytes;
    while (this.#bytes > this.#maxBytes && this.#oldest !== undefined && this.#oldest !== publication) {
      this.#letGo(this.#oldest);
    }
  }

  /** It has left one of them. */
  release(publication: Publication): void {
    if (--publication.holders === 0 && publication.bytes !== undefined) this.#remove(publication);
  }

  #letGo(publication: Publication): void {
    this.#remove(publication);
    publication.bytes = undefined;
  }

  #remove(publication: Publication): void {
    const { older, newer } = publication;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    publication.older = undefined;
    publication.newer = undefined;
    this.#bytes -= publication.costBytes;
  }
}
