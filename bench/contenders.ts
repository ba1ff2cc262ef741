import { dial, listen, type Message } from "earshot";
import { dialBaseline, serveBaseline } from "./baseline.js";

/** A client as the workloads use it. */
export interface Dialed {
  send(payload: Uint8Array): Promise<unknown>;
  close(): Promise<void>;
}

export interface Contender {
  /** Serves until the process ends: a message of up to 1,024 bytes comes back, a larger one is answered with 2 bytes. */
  serve(path: string): Promise<void>;
  dial(path: string): Promise<Dialed>;
}

const SHORT = Buffer.from("ok");
const ECHO_BYTES = 1_024;

export const CONTENDERS: Readonly<Record<string, Contender>> = {
  net: {
    serve: (path) => serveBaseline(path, (payload) => (payload.length <= ECHO_BYTES ? payload : SHORT)),
    dial: dialBaseline,
  },
  "earshot over net": earshot("net"),
  earshot: earshot("native"),
};

function earshot(transport: "native" | "net"): Contender {
  return {
    async serve(path) {
      const handle = (message: Message) => (message.byteLength <= ECHO_BYTES ? message.bytes : SHORT);
      await listen(path, handle, { transport });
    },
    dial: (path) => dial(path, { transport }),
  };
}
