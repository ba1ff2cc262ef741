// zeromq.js 6 over ipc://: a Router answers Dealers, so that many messages may be under way. A message is a number, which comes
// back with the reply, and the bytes.
import { Context, Dealer, Router } from "zeromq";
import { answer } from "./answer.js";

export const settings =
  "`Router` and `Dealer`, so that many messages may be under way; `sendHighWaterMark` and `receiveHighWaterMark` 0 (no limit); " +
  "contexts with places for all sockets; everything else as by default, one I/O thread";

const WATER_MARKS = { sendHighWaterMark: 0, receiveHighWaterMark: 0 };
/** Sockets of a process share it, as its documentation recommends. */
const context = new Context({ maxSockets: 4_096 });

/** One `send` at a time is what a socket takes. */
function outbox(socket) {
  let queue = [];
  let isSending = false;
  const drain = async () => {
    isSending = true;
    while (queue.length > 0) {
      const parts = queue;
      queue = [];
      for (const message of parts) await socket.send(message);
    }
    isSending = false;
  };
  return (message) => {
    queue.push(message);
    // A socket that is closed while it sends has been closed on purpose.
    if (!isSending) drain().catch(() => {});
  };
}

export async function serve(path) {
  const router = new Router({ context, ...WATER_MARKS });
  await router.bind(`ipc://${path}`);
  const send = outbox(router);
  const receive = async () => {
    for await (const [identity, id, bytes] of router) send([identity, id, answer(bytes)]);
  };
  receive();
}

export async function dial(path) {
  const dealer = new Dealer({ context, linger: 0, ...WATER_MARKS });
  dealer.connect(`ipc://${path}`);
  const send = outbox(dealer);
  const pending = new Map();
  let lastId = 0;
  const receive = async () => {
    for await (const [id, reply] of dealer) {
      const number = id.readUInt32LE(0);
      pending.get(number)(reply);
      pending.delete(number);
    }
  };
  receive().catch(() => {});
  return {
    send: (bytes) =>
      new Promise((resolve) => {
        lastId = (lastId + 1) >>> 0;
        pending.set(lastId, resolve);
        const id = Buffer.allocUnsafe(4);
        id.writeUInt32LE(lastId, 0);
        send([id, bytes]);
      }),
    close: async () => dealer.close(),
  };
}
