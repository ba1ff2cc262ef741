// node-ipc: events in JSON, each with a number that comes back with the reply. Bytes are base64 in it; its `raw` profile has no
// messages, only bytes as they come.
import { dirname } from "node:path";
import { IPCModule } from "node-ipc";
import { answer } from "./answer.js";

export const settings =
  "the `fast` parser, its default; bytes in base64, because its messages are JSON; no log; as many connections as come. It says " +
  "that it needs Node 22, and runs on 20. Messages of more than 1 MiB are left out: each takes seconds";

/** Beyond that it looks through all that has come of a message again with each read. */
export const largestBytes = 1_048_576;

function module_(path) {
  const ipc = new IPCModule();
  Object.assign(ipc.config, {
    silent: true,
    maxConnections: 4_096,
    maxRetries: 0,
    // The benchmark's own directory, which nobody else may enter.
    socketRoot: `${dirname(path)}/`,
    secureSocketRoot: false,
  });
  return ipc;
}

export async function serve(path) {
  const ipc = module_(path);
  await new Promise((resolve) => {
    ipc.serve(path, resolve);
    ipc.server.on("message", ({ id, bytes }, socket) => {
      const reply = Buffer.from(answer(Buffer.from(bytes, "base64"))).toString("base64");
      ipc.server.emit(socket, "reply", { id, bytes: reply });
    });
    ipc.server.start();
  });
}

export async function dial(path) {
  const ipc = module_(path);
  const server = await new Promise((resolve, reject) => {
    ipc.connectTo("server", path, () => {
      ipc.of.server.on("connect", () => resolve(ipc.of.server));
      ipc.of.server.on("error", reject);
    });
  });
  const pending = new Map();
  let lastId = 0;
  server.on("reply", ({ id, bytes }) => {
    pending.get(id)(Buffer.from(bytes, "base64"));
    pending.delete(id);
  });
  return {
    send: (bytes) =>
      new Promise((resolve) => {
        lastId++;
        pending.set(lastId, resolve);
        server.emit("message", { id: lastId, bytes: Buffer.from(bytes).toString("base64") });
      }),
    close: async () => ipc.disconnect("server"),
  };
}
