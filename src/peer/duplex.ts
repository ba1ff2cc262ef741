import type { EarshotError } from "../errors.js";
import type { Inflow, Writer } from "./flow.js";
import { describe } from "./reply.js";

/**
 * Both directions of an exchange as web streams, for protocols that bring their own framing. Closing `writable` ends this
 * side's direction only; aborting it breaks off both. Cancelling `readable` tells the other side that nothing more is read.
 * `Duplex.fromWeb(pair)` of `node:stream` makes a Node stream of it.
 */
export interface Duplex {
  /** What the other side writes. Ends with its end; errors with why the exchange broke off. */
  readonly readable: ReadableStream<Uint8Array>;
  /** To the other side. A chunk is copied when it is written; `write` waits while the other side is not ready for more. */
  readonly writable: WritableStream<Uint8Array>;
  /**
   * Resolves when both are over: when all is written and read, or at once, with the reason, when they break off. Never
   * rejects.
   */
  readonly closed: Promise<EarshotError | undefined>;
}

export function toDuplex(incoming: Inflow, outgoing: Writer): Duplex {
  let onRead = () => {};
  let onWritten = (_reason?: EarshotError) => {};
  const read = new Promise<void>((resolve) => {
    onRead = resolve;
  });
  const written = new Promise<EarshotError | undefined>((resolve) => {
    onWritten = resolve;
  });
  const closed = new Promise<EarshotError | undefined>((resolve) => {
    outgoing.onClosed = resolve;
    void read.then(() => written).then(resolve);
  });
  return { readable: toReadable(incoming, onRead), writable: toWritable(outgoing, onWritten), closed };
}

function toReadable(incoming: Inflow, onOver: () => void): ReadableStream<Uint8Array> {
  const next = async () => {
    for (;;) {
      const chunk = incoming.read();
      if (chunk !== undefined || incoming.isEnded) return chunk;
      await incoming.readable();
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = await next();
        if (chunk !== undefined) controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
        else {
          controller.close();
          onOver();
        }
      },
      cancel() {
        incoming.stop();
        onOver();
      },
    },
    // One chunk ahead: so that an end is seen also when nobody reads just now.
    { highWaterMark: 1 },
  );
}

function toWritable(outgoing: Writer, onOver: (error?: EarshotError) => void): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    start(controller) {
      outgoing.onOver = (reason) => {
        onOver(reason);
        controller.error(reason);
      };
    },
    async write(chunk) {
      if (chunk instanceof Uint8Array) {
        // A copy: a writer may use its buffer again when this resolves.
        if (!outgoing.copy(chunk)) await outgoing.ready();
        return;
      }
      // The stream has no more use of itself, and would not say so.
      const error = new TypeError(`Cannot send this: a chunk is a Uint8Array, this is ${describe(chunk)}`);
      outgoing.reset("CANCELLED", error.message, "", error);
      throw error;
    },
    close() {
      outgoing.end();
      onOver();
    },
    abort(reason) {
      const code = reason instanceof Error && "code" in reason ? reason.code : "";
      const text = reason instanceof Error ? reason.message : String(reason);
      outgoing.reset("CANCELLED", text, typeof code === "string" ? code : "", reason);
      onOver();
    },
  });
}
