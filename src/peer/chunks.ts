import { EarshotError } from "../errors.js";
import type { Writer } from "./flow.js";
import { describe } from "./reply.js";

/** A message or reply that is sent bit by bit, as it comes: text goes as UTF-8. Bytes are copied when they are taken. */
export type Chunks = AsyncIterable<string | Uint8Array> | ReadableStream<Uint8Array>;

/** What went wrong was not the connection but where the bytes come from. */
export class SourceError extends Error {
  constructor(cause: unknown) {
    super(`what was to be sent failed: ${cause instanceof Error ? cause.message : describe(cause)}`, { cause });
  }
}

export function isChunks(value: unknown): value is Chunks {
  if (typeof value !== "object" || value === null) return false;
  return Symbol.asyncIterator in value || ("getReader" in value && typeof value.getReader === "function");
}

/**
 * Sends all that a source has, as fast as it is taken, and the end. When nobody takes it any more, the source is told
 * (`return`, or `cancel`), and this resolves.
 *
 * @throws SourceError
 */
export async function pump(source: Chunks, writer: Writer): Promise<void> {
  const iterator = iterate(source);
  let isDone = false;
  const leave = () => {
    if (!isDone) void Promise.resolve(iterator.return?.()).catch(() => {});
    isDone = true;
  };
  // Also while the source has nothing: who waits for its next chunk may wait for ever.
  writer.onOver = leave;
  try {
    while (!writer.isOver) {
      const { done, value } = await iterator.next();
      if (done === true) isDone = true;
      if (isDone) break;
      // A source may use its buffer again as soon as it is asked for more.
      if (!writer.copy(toBytes(value)) && !writer.isOver) await writer.ready().catch(() => {});
    }
    leave();
  } catch (error) {
    leave();
    throw new SourceError(error);
  }
  writer.end();
}

function iterate(source: Chunks): AsyncIterator<unknown> {
  if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
  const reader = (source as ReadableStream<Uint8Array>).getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<unknown>>,
    return: async () => {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}

/** @throws EarshotError `INVALID_ARGUMENT` */
function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === "string") return Buffer.from(chunk);
  const fact = `Cannot send this part of a message: it is a string or a Uint8Array, this is ${typeof chunk}`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}
