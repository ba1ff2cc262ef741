import { fstatSync } from "node:fs";
import { EarshotError } from "../errors.js";
import {
  bestView,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  type Native,
  UNCOUNTED,
  type ViewKind,
} from "../native/binding.js";
import { violation } from "./violation.js";

/** What of the addon slabs are made with. */
export type SlabNative = Pick<
  Native,
  "makeMemory" | "addSeals" | "seals" | "map" | "canBeUncounted" | "view" | "detach" | "unmap" | "close"
>;

/** As large as the largest page. */
const LEAST_BYTES = 65_536;
const MOST_BYTES = 1_073_741_824;

/** What is shown of a slab, until it is hidden or forgotten. */
interface Shown {
  readonly onForgotten: () => void;
}

/** Memory that two processes have mapped, and show parts of. */
export class MappedSlab {
  readonly bytes: Buffer;
  readonly #native: SlabNative;
  readonly #kind: ViewKind;
  readonly #memory: ArrayBuffer;
  readonly #registry: FinalizationRegistry<Shown>;
  readonly #onGone: () => void;
  #shown: Shown | undefined;
  #isReleased = false;

  /** @param onGone called when this side has it no more */
  constructor(native: SlabNative, memory: ArrayBuffer, registry: FinalizationRegistry<Shown>, onGone: () => void) {
    this.#native = native;
    this.#kind = bestView(native);
    this.#memory = memory;
    this.#registry = registry;
    this.#onGone = onGone;
    this.bytes = Buffer.from(memory);
  }

  show(bytes: number, onForgotten: () => void): Uint8Array {
    // Of its own, so that it can be taken away alone; and known to nobody here, so that it can be forgotten.
    const buffer = this.#native.view(this.#memory, bytes, this.#kind);
    // As Node does by itself with what it counts. (The module takes two milliseconds to load.)
    if (this.#kind === UNCOUNTED) process.getBuiltinModule("node:worker_threads").markAsUntransferable(buffer);
    const shown: Shown = { onForgotten: () => this.#end(onForgotten) };
    this.#shown = shown;
    this.#registry.register(buffer, shown, shown);
    return new Uint8Array(buffer);
  }

  hide({ buffer }: Uint8Array): void {
    if (this.#shown !== undefined) this.#registry.unregister(this.#shown);
    this.#native.detach(buffer as ArrayBuffer, this.#kind);
    this.#end();
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#native.unmap(this.#memory);
    if (this.#shown === undefined) this.#onGone();
  }

  #end(then?: () => void): void {
    this.#shown = undefined;
    if (this.#isReleased) this.#onGone();
    then?.();
  }
}

/** Makes slabs, and opens those of other processes. */
export class Slabs {
  readonly #native: SlabNative;
  readonly #registry = new FinalizationRegistry<Shown>(({ onForgotten }) => onForgotten());
  #isPossible: boolean | undefined;

  constructor(native: SlabNative) {
    this.#native = native;
  }

  /** Whether there are any: some embedders take no memory but their own. */
  get isPossible(): boolean {
    this.#isPossible ??= this.#probe();
    return this.#isPossible;
  }

  /**
   * @param bytes a power of two, from 65,536 on
   * @returns the slab, and a descriptor of it for `open`: the caller's to send or close
   * @throws the system's error
   */
  make(bytes: number, onGone: () => void): { readonly slab: MappedSlab; readonly descriptor: number } {
    const descriptor = this.#native.makeMemory(bytes);
    try {
      this.#native.addSeals(descriptor, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
      return { slab: this.#map(descriptor, bytes, onGone), descriptor };
    } catch (error) {
      this.#native.close(descriptor);
      throw error;
    }
  }

  /**
   * @param descriptor taken over, also if it fails
   * @throws EarshotError `PROTOCOL_VIOLATION` if it is not what `make` makes, or `OVERLOADED` if it cannot be mapped
   */
  open(descriptor: number): MappedSlab {
    try {
      const bytes = this.#sizeOf(descriptor);
      if (bytes < LEAST_BYTES || bytes > MOST_BYTES || (bytes & (bytes - 1)) !== 0)
        throw violation(`a slab of ${bytes} bytes`);
      return this.#map(descriptor, bytes, () => {});
    } catch (cause) {
      if (cause instanceof EarshotError) throw cause;
      throw new EarshotError("OVERLOADED", "Cannot read what the other side has lent: it cannot be mapped", { cause });
    } finally {
      this.#native.close(descriptor);
    }
  }

  /** A descriptor from `make`, which was not sent. */
  close(descriptor: number): void {
    this.#native.close(descriptor);
  }

  /** Who could make it smaller could end this process: looking at what is not there any more is a SIGBUS. */
  #sizeOf(descriptor: number): number {
    let seals = 0;
    try {
      seals = this.#native.seals(descriptor);
    } catch {
      throw violation("a slab that is no memory");
    }
    if ((seals & F_SEAL_SHRINK) === 0) throw violation("a slab that could become smaller");
    return fstatSync(descriptor).size;
  }

  #map(descriptor: number, bytes: number, onGone: () => void): MappedSlab {
    return new MappedSlab(this.#native, this.#native.map(descriptor, bytes, 0), this.#registry, onGone);
  }

  #probe(): boolean {
    try {
      const { slab, descriptor } = this.make(LEAST_BYTES, () => {});
      this.#native.close(descriptor);
      slab.release();
      return true;
    } catch {
      return false;
    }
  }
}
