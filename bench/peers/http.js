// HTTP/1.1 over a Unix socket: undici calls, node:http answers.
import { createServer } from "node:http";
import { Pool } from "undici";
import { answer } from "./answer.js";

export const settings =
  "undici `Pool` with as many connections as messages are under way, up to 128, and `pipelining: 1`; `node:http` with " +
  "`keepAliveTimeout` so long that no connection is closed meanwhile; bodies with `content-length`";

const KEEP_ALIVE_MS = 600_000;
const CONNECTIONS = 128;

export async function serve(path) {
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const reply = answer(parts.length === 1 ? parts[0] : Buffer.concat(parts));
      response.writeHead(200, { "content-length": reply.length });
      response.end(reply);
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise((resolve) => server.listen({ path, backlog: 4_096 }, resolve));
}

export async function dial(path) {
  const pool = new Pool("http://localhost", {
    socketPath: path,
    connections: CONNECTIONS,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  return {
    async send(bytes) {
      const { body, statusCode } = await pool.request({ path: "/", method: "POST", body: bytes });
      if (statusCode !== 200) throw new Error(`status ${statusCode}`);
      return await body.arrayBuffer();
    },
    close: () => pool.close(),
  };
}
