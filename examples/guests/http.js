// HTTP over earshot: any server and client of node:http, whose requests know who calls, on one connection of earshot's.
// For a server that speaks HTTP only, see ../fastify.js.
//
//   node examples/guests/http.js
// @ts-check
import { createServer, get } from "node:http";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { dial, listen } from "earshot";

/** Each pair of streams that a client opens is a connection to the HTTP server. */
export function serve(/** @type {string} */ address, /** @type {import("node:http").Server} */ http) {
  return listen(
    address,
    async (message, context) => {
      const pair = message.accept();
      http.emit("connection", Object.assign(Duplex.fromWeb(pair), { peer: context.peer }));
      await pair.closed;
    },
    { body: "stream" },
  );
}

async function main(address = "http") {
  const http = createServer((request, response) => {
    const { peer } = /** @type {{ peer: import("earshot").Peer }} */ (/** @type {unknown} */ (request.socket));
    response.end(`${request.url} for user ${peer.credentials?.uid ?? "unknown"}`);
  });
  const server = await serve(address, http);
  const client = await dial(address);

  const createConnection = () => Duplex.fromWeb(client.open());
  /** @type {import("node:http").IncomingMessage} */
  const response = await new Promise((resolve, reject) => {
    get({ createConnection, path: "/hello" }, resolve).on("error", reject);
  });
  console.log(`${response.statusCode} ${await text(response)}`);

  await client.close();
  await server.close();
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
