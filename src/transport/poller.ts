import { loadNative, type Native, type NativeMissing } from "../native/binding.js";
import { FirstLook } from "./first-look.js";
import { SpinBudget } from "./spin.js";

/**
 * Small messages are read with a small buffer: what each read brought is answered before the next, so that the other side
 * goes to work while this one still does. The bytes of large ones are read straight to where they belong.
 */
export const READ_BYTES = 8_192;

/** Whether processors have come or gone is asked once for so many looks. */
const ASK_EVERY = 256;

/** Somebody who is told when a socket is ready. */
export interface Pollable {
  /**
   * @param events `READABLE`, `WRITABLE`, both, or 0 after an error
   * @param idleUs how long ago the last call was over
   * @param count of what has been read to the poller's `buffer` already, as `Native.read` counts
   * @returns as the callback of `Native.onReady`
   */
  onReady(events: number, idleUs: number, count: number): number;
}

/** The addon of this thread, and who waits for which socket. */
export class Poller {
  readonly native: Native;
  /** Small messages of all sockets are read to here: what is read is handed over before the next read. */
  readonly buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly spinBudget = new SpinBudget();
  readonly firstLook: FirstLook;
  #view = this.buffer;
  #askedForProcessors = 0;
  #isAlone = false;
  /** By descriptor. */
  readonly #owners: (Pollable | undefined)[] = [];

  constructor(native: Native) {
    this.native = native;
    this.firstLook = new FirstLook(native, this.spinBudget, () => performance.now());
    const tell = (fd: number, events: number, idleUs: number, count: number) =>
      this.#owners[fd]?.onReady(events, idleUs, count) ?? 0;
    native.onReady(tell, this.buffer);
  }

  /** Whether this thread has one processor only, which the other side may need. taskset(1) can change it at any time. */
  get isAlone(): boolean {
    if (this.#askedForProcessors++ % ASK_EVERY === 0) this.#isAlone = this.native.processors() === 1;
    return this.#isAlone;
  }

  /** From now on `owner` is told of these events, and of no others. */
  watch(fd: number, owner: Pollable, events: number): void {
    this.#owners[fd] = owner;
    this.native.watch(fd, events);
  }

  /** What is at the beginning of the buffer. */
  read(bytes: number): Buffer {
    // Small messages of one size need not make a view for each.
    if (this.#view.length !== bytes) this.#view = this.buffer.subarray(0, bytes);
    return this.#view;
  }

  close(fd: number): void {
    this.#owners[fd] = undefined;
    this.native.close(fd);
  }
}

let loaded: { readonly poller: Poller } | { readonly missing: NativeMissing } | undefined;

/** The one of this thread, or why there is none. */
export function sharedPoller(): { readonly poller: Poller } | { readonly missing: NativeMissing } {
  if (loaded === undefined) {
    const result = loadNative();
    loaded = "native" in result ? { poller: new Poller(result.native) } : result;
  }
  return loaded;
}
