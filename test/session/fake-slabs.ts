import assert from "node:assert/strict";
import { EarshotError } from "../../src/errors.js";
import type { Loans, Slab, SlabHost } from "../../src/session/slab.js";
import type { FakeHost } from "../support/host.js";

/** The memory of both sides: files by their descriptors, and how many have it mapped. */
export class FakeMemory {
  readonly files = new Map<number, ArrayBuffer>();
  mapped = 0;
  #last = 1_000;

  open(bytes: number): number {
    this.files.set(++this.#last, new ArrayBuffer(bytes));
    return this.#last;
  }
}

class FakeSlab implements Slab {
  bytes: Buffer;
  readonly #memory: FakeMemory;
  #shown: { readonly view: Uint8Array; readonly onForgotten: () => void } | undefined;
  #isReleased = false;

  constructor(memory: FakeMemory, file: ArrayBuffer) {
    this.#memory = memory;
    this.bytes = Buffer.from(file);
    memory.mapped++;
  }

  show(bytes: number, onForgotten: () => void): Uint8Array {
    assert.equal(this.#shown, undefined, "shown to two");
    assert.ok(!this.#isReleased, "shown after it was released");
    const view = new Uint8Array(this.bytes.buffer, 0, bytes);
    this.#shown = { view, onForgotten };
    return view;
  }

  hide(shown: Uint8Array): void {
    assert.equal(this.#shown?.view, shown, "hidden, and not shown");
    this.#shown = undefined;
  }

  /** As if nobody knew it any more. */
  forget(): void {
    const shown = this.#shown;
    this.#shown = undefined;
    shown?.onForgotten();
  }

  release(): void {
    assert.ok(!this.#isReleased, "released twice");
    this.#isReleased = true;
    this.#memory.mapped--;
  }
}

/** Slabs in the memory of one process. */
export class FakeSlabs implements SlabHost {
  maxBytes = 16_777_216;
  isWorthCopying = false;
  /** How much of its own it still may make. */
  freeBytes = 16_777_216;
  loans: Loans | undefined;
  readonly made: FakeSlab[] = [];
  readonly opened: FakeSlab[] = [];
  readonly #memory: FakeMemory;
  readonly #host: FakeHost;

  constructor(memory: FakeMemory, host: FakeHost) {
    this.#memory = memory;
    this.#host = host;
  }

  make(bytes: number): { slab: FakeSlab; descriptor: number } | undefined {
    if (bytes > this.freeBytes) return undefined;
    this.freeBytes -= bytes;
    const descriptor = this.#memory.open(bytes);
    const slab = new FakeSlab(this.#memory, this.#memory.files.get(descriptor)!);
    const release = slab.release.bind(slab);
    slab.release = () => {
      this.freeBytes += bytes;
      release();
    };
    this.made.push(slab);
    return { slab, descriptor };
  }

  open(descriptor: number): FakeSlab {
    const file = this.#memory.files.get(descriptor);
    this.#memory.files.delete(descriptor);
    if (file === undefined) throw new EarshotError("PROTOCOL_VIOLATION", "a slab that is no memory");
    const slab = new FakeSlab(this.#memory, file);
    this.opened.push(slab);
    return slab;
  }

  close(descriptor: number): void {
    assert.ok(this.#memory.files.delete(descriptor), "closed what is not open");
  }

  wake(): void {
    this.#host.requestFlush();
  }

  onAgreed(loans: Loans): void {
    this.loans = loans;
  }

  /** As the connection does when it is closed. */
  closed(): void {
    this.loans?.lending.close();
    this.loans?.borrowing.close();
  }
}
