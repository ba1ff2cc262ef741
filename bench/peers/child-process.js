// The channel between a process and its child: `process.send` with advanced serialization.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { answer } from "./answer.js";

export const settings =
  '`serialization: "advanced"`, which takes bytes as they are; only between a process and its child';

/** The client starts its server. */
export const isOwnServer = true;

const CHILD = "child";

export async function serve() {}

export async function dial() {
  const child = fork(fileURLToPath(import.meta.url), [CHILD], { serialization: "advanced" });
  await new Promise((resolve, reject) => child.once("message", resolve).once("exit", reject));
  const pending = new Map();
  let lastId = 0;
  child.on("message", ({ id, bytes }) => {
    pending.get(id)(bytes);
    pending.delete(id);
  });
  const send = (bytes) =>
    new Promise((resolve) => {
      lastId++;
      pending.set(lastId, resolve);
      child.send({ id: lastId, bytes });
    });
  return {
    send,
    cpuUs: () => send(undefined),
    close: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.disconnect();
      }),
  };
}

if (process.argv[2] === CHILD && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.on("message", ({ id, bytes }) => {
    const { user, system } = process.cpuUsage();
    process.send({ id, bytes: bytes === undefined ? user + system : answer(bytes) });
  });
  process.send("ready");
}
