// A Model Context Protocol server and client over earshot: one server process for all who call, instead of one for each.
//
//   npm install @modelcontextprotocol/server @modelcontextprotocol/client zod
//   node examples/guests/mcp.js
// @ts-check
import { Client, ReadBuffer, serializeMessage } from "@modelcontextprotocol/client";
import { McpServer } from "@modelcontextprotocol/server";
import { dial, listen } from "earshot";
import { z } from "zod";

/** @typedef {import("@modelcontextprotocol/client").Transport} Transport */

/**
 * Either side's transport: each message is a line, as on standard input and output.
 *
 * @implements {Transport}
 */
export class EarshotTransport {
  /** @type {Transport["onmessage"]} */
  onmessage;
  /** @type {Transport["onerror"]} */
  onerror;
  /** @type {Transport["onclose"]} */
  onclose;
  #reader;
  #writer;
  #buffer = new ReadBuffer();

  /** @param {import("earshot").Duplex} pair what `open` and `accept` give */
  constructor({ readable, writable }) {
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
  }

  async start() {
    void this.#receive();
  }

  /** Resolves when the other side has room for more. @param {import("@modelcontextprotocol/client").JSONRPCMessage} message */
  async send(message) {
    await this.#writer.write(Buffer.from(serializeMessage(message)));
  }

  /** What was sent still leaves, but is not waited for: the other side may take nothing any more. */
  async close() {
    this.#writer.close().catch(() => {});
    await this.#reader.cancel().catch(() => {});
  }

  async #receive() {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.#buffer.append(Buffer.from(value.buffer, value.byteOffset, value.length));
        await this.#deliver();
      }
    } catch (error) {
      this.onerror?.(/** @type {Error} */ (error));
    }
    await this.close();
    this.onclose?.();
  }

  async #deliver() {
    for (;;) {
      try {
        const message = this.#buffer.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
        // The SDK handles a notification a moment later: progress would be lost behind the result that comes with it.
        await undefined;
      } catch (error) {
        // A line that is no message; those behind it may be.
        this.onerror?.(/** @type {Error} */ (error));
      }
    }
  }
}

/** Serves all who call; each has a server object of its own. @param {string} address @param {() => McpServer} make */
export function serve(address, make) {
  return listen(
    address,
    async (message) => {
      const pair = message.accept();
      await make().connect(new EarshotTransport(pair));
      await pair.closed;
    },
    { body: "stream" },
  );
}

function weather() {
  const server = new McpServer({ name: "weather", version: "1.0.0" });
  const inputSchema = z.object({ city: z.string() });
  server.registerTool("forecast", { description: "Tomorrow's weather", inputSchema }, async ({ city }, { mcpReq }) => {
    if (city === "Atlantis") throw new Error("it is under water");
    const progressToken = mcpReq._meta?.progressToken;
    if (progressToken !== undefined) {
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: 1, total: 2 } });
    }
    return { content: [{ type: "text", text: `sunny in ${city}` }] };
  });
  return server;
}

async function main(address = "mcp") {
  const server = await serve(address, weather);
  const connection = await dial(address);
  const pair = connection.open();
  const client = new Client({ name: "example", version: "1.0.0" });
  await client.connect(new EarshotTransport(pair));

  const { tools } = await client.listTools();
  console.log(tools.map(({ name, description }) => `${name}: ${description}`).join("\n"));
  for (const city of ["Turin", "Atlantis"]) {
    const onprogress = (/** @type {{ progress: number, total?: number | undefined }} */ { progress, total }) =>
      console.log(`${progress} of ${total}`);
    const { content, isError } = await client.callTool({ name: "forecast", arguments: { city } }, { onprogress });
    for (const part of content) if (part.type === "text") console.log(isError ? `failed: ${part.text}` : part.text);
  }

  await client.close();
  await pair.closed;
  await connection.close();
  await server.close();
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
