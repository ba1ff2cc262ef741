import { BorrowedMessage, Message } from "../message.js";
import type { Body } from "./session.js";

/** Smaller messages are copied out of what was read, and not lent. */
const LEAST_BYTES = 131_072;
const MOST_BYTES = 8_388_608;
/** What is kept for the next messages, in all. */
const KEPT_BYTES = 8_388_608;

/**
 * Memory for large messages that are lent to their handlers, and used again for the next ones: memory that is warm takes
 * bytes faster than memory that is new.
 */
export class BodyMemory {
  #kept: Buffer[] = [];
  #keptBytes = 0;
  readonly #lent = new WeakMap<Message, Buffer>();

  /** At least so many bytes; `undefined` for sizes that are not worth it. */
  take(bytes: number): Buffer | undefined {
    if (bytes < LEAST_BYTES || bytes > MOST_BYTES) return undefined;
    // Powers of two, so that messages of almost one size share.
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const index = this.#kept.findLastIndex(({ length }) => length === size);
    const [found] = index < 0 ? [] : this.#kept.splice(index, 1);
    if (found !== undefined) this.#keptBytes -= size;
    return found ?? Buffer.allocUnsafeSlow(size);
  }

  /** Memory from `take` that no message refers to. */
  give(buffer: Buffer): void {
    if (buffer.length < LEAST_BYTES || this.#keptBytes + buffer.length > KEPT_BYTES) return;
    this.#kept.push(buffer);
    this.#keptBytes += buffer.length;
  }

  /** From now on the message has memory from `take`. */
  lend(message: Message, buffer: Buffer): Message {
    if (buffer.length >= LEAST_BYTES) this.#lent.set(message, buffer);
    return message;
  }

  /**
   * The handler of a message has settled. What it still has of the message's memory becomes empty, so that nobody can
   * mistake the next message's bytes for this one's.
   *
   * @param reply what goes out next; where that is part of the message, the memory stays with it
   * @returns the reply: a copy, where it is part of memory that is not this side's
   */
  takeBack(message: Message, reply: Body): Body {
    if (message instanceof BorrowedMessage) {
      const kept = message.contains(reply) ? Buffer.from(reply as Uint8Array) : reply;
      message[Symbol.dispose]();
      return kept;
    }
    const buffer = this.#lent.get(message);
    if (buffer === undefined || (typeof reply !== "string" && reply.buffer === buffer.buffer)) return reply;
    this.#lent.delete(message);
    const wasShown = Message.takeBack(message);
    const rest = wasShown ? detach(buffer) : buffer;
    if (rest !== undefined) this.give(rest);
    return reply;
  }
}

/** The same memory under another name; all that refers to it by the old one is empty. */
function detach({ buffer }: Buffer): Buffer | undefined {
  // The handler may have given it away, to a worker for example.
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength === 0) return undefined;
  return Buffer.from(structuredClone(buffer, { transfer: [buffer] }));
}
