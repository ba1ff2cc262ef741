import { isUtf8 } from "node:buffer";
import { EarshotError } from "../index.js";
import { OutputError, type Sink } from "./sink.js";
import { TextCheck } from "./text-check.js";

const NEWLINE = 0x0a;

/** A message, which is written while it is read. */
export interface Incoming {
  /** Of one that is there whole: writes it, and then has it. Instead of `body`. */
  readonly whole?: () => Promise<Uint8Array>;
  readonly body: AsyncIterable<Uint8Array>;
  /** All of it, if that is known. */
  readonly sizeBytes: number | undefined;
}

/** Writes a message that is there whole. @throws OutputError */
export async function keep(bytes: Uint8Array, sink: Sink): Promise<void> {
  const isLine = sink.isShared && bytes.at(-1) !== NEWLINE && isUtf8(bytes);
  await (isLine ? sink.keep(bytes, "\n") : sink.keep(bytes));
}

/**
 * The bytes of a message, each of which was written before it is handed on; and at the end the message is where it belongs.
 *
 * @throws OutputError, or what reading throws, with what is left of the message
 */
export async function* record(message: Incoming, sink: Sink): AsyncGenerator<Uint8Array, void, undefined> {
  const place = await sink.begin();
  const text = sink.isShared ? new TextCheck() : undefined;
  const finish = async (...rest: readonly Uint8Array[]) => {
    const chunks = text?.lacksNewline ? [...rest, "\n"] : rest;
    if (chunks.length > 0) await place.write(...chunks);
    await place.finish();
  };
  let bytes = 0;
  let isFinished = false;
  try {
    for await (const chunk of message.body) {
      bytes += chunk.length;
      text?.add(chunk);
      // Who gets the last bytes may be done with the message at once: it is kept by then.
      isFinished = bytes === message.sizeBytes;
      await (isFinished ? finish(chunk) : place.write(chunk));
      yield chunk;
    }
    if (!isFinished) await finish();
    isFinished = true;
  } catch (error) {
    isFinished = true;
    // A text that breaks off is one line all the same: the next begins another.
    if (bytes > 0 && text?.lacksNewline && !(error instanceof OutputError)) await place.write("\n").catch(() => {});
    const left = await place.abandon();
    throw error instanceof OutputError ? error : brokenOff(error, bytes, left);
  } finally {
    if (!isFinished) await place.abandon();
  }
}

function brokenOff(error: unknown, bytes: number, left: string): Error {
  const reason = error instanceof Error ? error.message : String(error);
  const text = `the message broke off after ${bytes} bytes, and ${left}: ${reason}`;
  return error instanceof EarshotError
    ? new EarshotError(error.code, text, { cause: error })
    : new Error(text, { cause: error });
}
