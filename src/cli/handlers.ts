import { isUtf8 } from "node:buffer";
import type { Context, Message, Reply } from "../index.js";
import { write } from "./output.js";

const NEWLINE = 0x0a;

/** A handler that always answers with something, be it `undefined`. */
export type Answer = (message: Message, context: Context) => Reply | Promise<Reply>;

/** Prints each message; then `next` answers it. @param onBroken standard output takes nothing any more. */
export function printing(isJson: boolean, next: Answer, onBroken: (error: unknown) => void): Answer {
  return async (message, context) => {
    try {
      if (isJson) await write(process.stdout, `${JSON.stringify(describe(message, context))}\n`);
      else await write(process.stdout, message.bytes, needsNewline(message.bytes) ? "\n" : "");
    } catch (error) {
      onBroken(error);
      throw new Error("nobody takes the server's output any more", { cause: error });
    }
    return await next(message, context);
  };
}

/** Lets one message at a time through until `next` has handled one. */
export function once(next: Answer, onHandled: () => void): Answer {
  let turn: Promise<boolean> = Promise.resolve(false);
  return async (message, context) => {
    const before = turn;
    const result = before.then((isOver) => {
      if (isOver) throw new Error("the server took one message only (--once)");
      return next(message, context);
    });
    turn = before.then((isOver) => {
      if (isOver) return true;
      return result.then(
        () => true,
        () => false,
      );
    });
    const reply = await result;
    onHandled();
    return reply;
  };
}

function needsNewline(bytes: Uint8Array): boolean {
  return bytes.at(-1) !== NEWLINE && isUtf8(bytes);
}

function describe(message: Message, { peer, wire }: Context): object {
  const { bytes, byteLength } = message;
  const content = isUtf8(bytes) ? { text: message.text() } : { base64: Buffer.from(bytes).toString("base64") };
  return { peer: peer.id, wire, bytes: byteLength, ...content };
}
