import { Message } from "../message.js";
import { readU64 } from "../wire/decode.js";
import { encodeControl, writeU64 } from "../wire/encode.js";
import { FrameType, PING_BYTES } from "../wire/frame.js";
import type { Request } from "./session.js";

const NOTHING = new Message(Buffer.alloc(0), 0, 0);

/** Outlives this object: a number that comes late must not settle another ping. */
interface Memory {
  lastPing: number;
}

/** The pings that are not answered yet. */
export class Pings {
  readonly #pending = new Map<number, Request>();
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  get nextDeadline(): number {
    let next = Infinity;
    for (const { deadlineAt } of this.#pending.values()) next = Math.min(next, deadlineAt);
    return next;
  }

  /** Returns the frame to send. */
  begin(request: Request): Buffer {
    const payload = Buffer.alloc(PING_BYTES);
    request.id = ++this.#memory.lastPing;
    request.state = "sent";
    writeU64(payload, request.id, 0);
    this.#pending.set(request.id, request);
    return encodeControl(FrameType.PING, 0, payload);
  }

  onPong(payload: Buffer): void {
    const request = this.#pending.get(readU64(payload, 0));
    if (request === undefined) return;
    this.take(request);
    request.onReply(NOTHING, []);
  }

  /** Takes it out, settled; false when it is none of these. */
  take(request: Request): boolean {
    if (this.#pending.get(request.id) !== request) return false;
    this.#pending.delete(request.id);
    request.state = "settled";
    return true;
  }

  /** Takes out all that are due, with `Infinity` simply all. */
  expire(now: number): Request[] {
    return [...this.#pending.values()].filter((request) => request.deadlineAt <= now && this.take(request));
  }
}
