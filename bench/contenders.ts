import { dial, listen, type Message } from "earshot";
import { dialBaseline, serveBaseline } from "./baseline.js";

/** A client as the workloads use it. */
export interface Dialed {
  send(payload: Uint8Array): Promise<unknown>;
  close(): Promise<void>;
}

export interface Contender {
  /** With small messages it does the same as another. */
  readonly isForLarge?: boolean;
  /** Serves until the process ends: a message of up to 1,024 bytes comes back, a larger one is answered with 2 bytes. */
  serve(path: string): Promise<void>;
  dial(path: string): Promise<Dialed>;
}

const SHORT = Buffer.from("ok");
const ECHO_BYTES = 1_024;

/** What a handler does with a message: a short one comes back; of a large one both ends are looked at, so that it is there. */
function answer(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= ECHO_BYTES) return bytes;
  if (bytes[0] !== bytes[bytes.length - 1]) throw new Error("not what was sent");
  return SHORT;
}

export const CONTENDERS: Readonly<Record<string, Contender>> = {
  net: {
    serve: (path) => serveBaseline(path, answer),
    dial: dialBaseline,
  },
  "earshot over net": earshot("net"),
  earshot: earshot("native"),
  /** Its handler borrows large messages: `body: "borrowed"`. */
  "earshot in place": { ...earshot("native", "borrowed"), isForLarge: true },
};

function earshot(transport: "native" | "net", body?: "borrowed"): Contender {
  return {
    async serve(path) {
      await listen(path, (message: Message) => answer(message.bytes), { transport, body });
    },
    dial: (path) => dial(path, { transport }),
  };
}
