import { isUtf8 } from "node:buffer";
import { type Context, EarshotError, type Handler, type Message, type Reply, type StreamHandler } from "../index.js";
import { gather, watch } from "./pieces.js";
import { type Incoming, keep, record } from "./recording.js";
import type { Sink } from "./sink.js";

/** Short answers are one piece on the wire, as if nothing here were a stream. */
const SMALL_BYTES = 65_536;

/** Reads all of a message, so that all of it is kept, and always answers with something, be it `undefined`. */
export type Answer = (message: Incoming, context: Context) => Promise<Reply>;

/** Keeps each message as it comes; then, or meanwhile, `next` answers it. @param maxBytes the longest that is taken */
export function recording(sink: Sink, maxBytes: number, next: Answer): StreamHandler {
  return async (message, context) => {
    const { sizeBytes } = message;
    if (sizeBytes !== undefined && sizeBytes > maxBytes)
      throw tooLarge(`${sizeBytes} bytes, and ${maxBytes} are taken`);
    if (sizeBytes !== undefined && sizeBytes <= SMALL_BYTES) {
      const { bytes } = await message.collect();
      const whole = async () => {
        await keep(bytes, sink);
        return bytes;
      };
      return await next({ whole, body: only(whole), sizeBytes }, context);
    }
    const { body } = message;
    const limited = maxBytes === Infinity ? body : limit(body, maxBytes);
    return await next({ body: record({ body: limited, sizeBytes }, sink), sizeBytes }, context);
  };
}

async function* limit(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`);
    yield chunk;
  }
}

function tooLarge(fact: string): EarshotError {
  return new EarshotError("MESSAGE_TOO_LARGE", `the message has ${fact} (--max-message-bytes)`);
}

/** Tells of each message in a line of JSON, for which it must be whole; then `next` answers it. */
export function describing(sink: Sink, next: Answer): Handler {
  return async (message, context) => {
    const whole = async () => {
      await sink.keep(`${JSON.stringify(describe(message, context))}\n`);
      return message.bytes;
    };
    return await next({ whole, body: only(whole), sizeBytes: message.byteLength }, context);
  };
}

/** Always the same text. */
export function replying(text: string | undefined): Answer {
  return async ({ whole, body }) => {
    if (whole !== undefined) await whole();
    else for await (const _piece of body);
    return text;
  };
}

/** What came, as it comes. */
export const echoing: Answer = async ({ whole, body }, { wire }) =>
  whole === undefined ? await hold(body, wire) : await whole();

/**
 * The plain wire has no word for a failure: a reply of which a part is out looks like all of it. There a short one waits
 * until it is certain that there is no failure.
 */
export async function hold(reply: AsyncIterable<Uint8Array>, wire: Context["wire"]): Promise<Reply> {
  return wire === "plain" ? await gather(reply, SMALL_BYTES) : reply;
}

/** Lets one message at a time through until `next` has handled one. */
export function once(next: Answer, onHandled: () => void): Answer {
  let turn: Promise<boolean> = Promise.resolve(false);
  return async (message, context) => {
    const before = turn;
    let settle: (isHandled: boolean) => void = () => {};
    turn = new Promise((resolve) => {
      settle = resolve;
    });
    if (await before) {
      settle(true);
      throw new Error("the server took one message only (--once)");
    }
    const onEnd = (isWhole: boolean) => {
      settle(isWhole);
      if (isWhole) onHandled();
    };
    try {
      const reply = await next(message, context);
      if (typeof reply === "object" && Symbol.asyncIterator in reply) return watch(reply, onEnd);
      onEnd(true);
      return reply;
    } catch (error) {
      onEnd(false);
      throw error;
    }
  };
}

async function* only(whole: () => Promise<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield await whole();
}

function describe(message: Message, { peer, wire }: Context): object {
  const { bytes, byteLength } = message;
  const content = isUtf8(bytes) ? { text: message.text() } : { base64: Buffer.from(bytes).toString("base64") };
  return { peer: peer.id, wire, bytes: byteLength, ...content };
}
