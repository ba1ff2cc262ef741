import { loadNative, type Native, type NativeMissing } from "../native/binding.js";

/** Somebody who is told when a socket is ready. */
export interface Pollable {
  /**
   * @param events `READABLE`, `WRITABLE`, both, or 0 after an error
   * @returns true to be called again at once, for more to read
   */
  onReady(events: number): boolean;
}

/** The addon of this thread, and who waits for which socket. */
export class Poller {
  readonly native: Native;
  /** By descriptor. */
  readonly #owners: (Pollable | undefined)[] = [];

  constructor(native: Native) {
    this.native = native;
    native.onReady((fd, events) => this.#owners[fd]?.onReady(events) ?? false);
  }

  /** From now on `owner` is told of these events, and of no others. */
  watch(fd: number, owner: Pollable, events: number): void {
    this.#owners[fd] = owner;
    this.native.watch(fd, events);
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
