// A thread of the same process, by MessagePort: no other process, so no socket. What it costs to have another heap at all.
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { answer } from "./answer.js";

export const settings =
  "a thread of the same process, so an outside reference; bytes are copied, as everywhere else: their sender keeps them";

/** The client starts its server, and its time is a part of the client's. */
export const isOwnServer = true;

export async function serve() {}

export async function dial() {
  const worker = new Worker(new URL(import.meta.url));
  const pending = new Map();
  let lastId = 0;
  await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  worker.on("message", ({ id, bytes }) => {
    pending.get(id)(bytes);
    pending.delete(id);
  });
  return {
    send: (bytes) =>
      new Promise((resolve) => {
        lastId++;
        pending.set(lastId, resolve);
        worker.postMessage({ id: lastId, bytes });
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}

if (!isMainThread) {
  parentPort.on("message", ({ id, bytes }) => parentPort.postMessage({ id, bytes: answer(bytes) }));
  parentPort.postMessage("ready");
}
