// One side of the idle-memory measurement: `serve KIND PATH` or `dial KIND PATH COUNT`.
import { connect, createServer } from "node:net";
import { dial, listen } from "earshot";

const [role, kind, path = "", count = "0"] = process.argv.slice(2);

async function serve(): Promise<void> {
  if (kind === "earshot") await listen(path, () => "ok");
  else {
    // A bare socket: it reads what comes and does nothing else.
    const server = createServer((socket) => socket.on("data", () => socket.write("ok")).on("error", () => {}));
    await new Promise<void>((resolve) => server.listen({ path, backlog: 4_096 }, resolve));
  }
}

async function dialOne(): Promise<unknown> {
  if (kind === "earshot") {
    const client = await dial(path);
    await client.send("x");
    return client;
  }
  const socket = connect(path);
  socket.on("connect", () => socket.write("x"));
  await new Promise((resolve) => socket.once("data", resolve));
  return socket;
}

async function settle(): Promise<void> {
  for (let index = 0; index < 5; index++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const held: unknown[] = [];
if (role === "serve") {
  await serve();
  process.on("message", async () => {
    await settle();
    const { rss } = process.memoryUsage();
    process.send?.(rss);
  });
} else {
  for (let index = 0; index < Number(count); index++) held.push(await dialOne());
}
// Whoever has started it may have been killed.
process.on("disconnect", () => process.exit());
process.send?.("ready");
