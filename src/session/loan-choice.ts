import { FrameType } from "../wire/frame.js";
import type { OwnSlab } from "./lending.js";
import type { OutputMemory, OutputOwner } from "./output-owner.js";
import type { Outgoing } from "./session.js";

/** Which messages of a connection are lent, and in which slab. */
export class LoanChoice<T extends Outgoing> {
  readonly #type: OutputOwner<T>["type"];
  readonly #memory: OutputMemory | undefined;

  constructor(type: OutputOwner<T>["type"], memory: OutputMemory | undefined) {
    this.#type = type;
    this.#memory = memory;
  }

  /** Whether the other side takes loans. */
  get isPossible(): boolean {
    return this.#memory?.loans !== undefined;
  }

  /** Whether a loan can go as one: it is this connection's, and brings no descriptors. */
  canKeep(item: T, slab: OwnSlab): boolean {
    return slab.isOf(this.#memory?.loans?.lending) && item.descriptors.length === 0 && !item.isStopped;
  }

  /** Whether it begins a write: descriptors go with its first byte, and a slab may be new. */
  beginsWrite(item: T): boolean {
    return item.descriptors.length > 0 || this.mayLend(item);
  }

  /** Whether it is in a slab, or may be put into one. */
  mayLend(item: T): boolean {
    const lending = this.#memory?.loans?.lending;
    if (lending === undefined) return false;
    if (item.lender?.slab !== undefined) return true;
    const isPlain = item.outgoing === undefined && item.descriptors.length === 0;
    return isPlain && lending.isWorthCopying(item.body.length) && this.#takesWhole(item);
  }

  /** Where its bytes are, from now on at least; `undefined` when there is no place for them. */
  slabOf({ lender, body }: T): OwnSlab | undefined {
    if (lender?.slab !== undefined) return lender.slab;
    const slab = this.#memory?.loans?.lending.take(body.length);
    slab?.memory.bytes.set(body as Uint8Array);
    return slab;
  }

  /** Who takes it bit by bit wants no more of it at a time than there is credit for. */
  #takesWhole({ creditBytes }: T): boolean {
    return (this.#type === FrameType.DATA ? creditBytes : this.#memory?.peerWindowBytes) === -1;
  }
}

/** It goes as any other message does, and its slab is given back. */
export function copyLoan(item: Outgoing): void {
  const { body } = item;
  const copy = typeof body === "string" ? body : Buffer.from(body);
  item.letGo();
  item.body = copy;
}
