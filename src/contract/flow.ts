import type { FailureName } from "../wire/failure.js";

/** One direction that this side writes bit by bit. */
export interface Outflow {
  /** Takes bytes, which must stay unchanged from now on. False: more is welcome only after `ready`. Ignored once it is over. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when more may be written; rejects with an EarshotError when nobody takes it any more (lost, reset, stopped). */
  ready(): Promise<void>;
  /** No more comes. */
  end(): void;
  /** Breaks off the whole exchange: the other side gets the failure. */
  reset(code: FailureName, text: string, remoteCode?: string): void;
}

/** One direction that the other side writes bit by bit. */
export interface Inflow {
  /** What has come, in order, owned by the caller from now on (its place is credited); undefined: nothing just now. */
  read(): Buffer | undefined;
  /** True when the end has come and everything before it was read. */
  readonly isEnded: boolean;
  /**
   * Resolves when `read` has something or the end has come; rejects with an EarshotError when it breaks off (then nothing
   * more comes). One waiter at a time.
   */
  readable(): Promise<void>;
  /** Reads no more: what is still coming is skipped and the other side told. */
  stop(): void;
}

/** Both directions of an exchange. */
export interface Flow {
  readonly out: Outflow;
  readonly in: Inflow;
}
