import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Client } from "@modelcontextprotocol/client";
import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { EarshotTransport, serve } from "../../../examples/guests/mcp.js";
import { closing, connect, ends, LIMIT, LONG_TEXT, mortal, prints, socketPath, write } from "./support.js";

const INFO = { name: "test", version: "1.0.0" };
const ANSWER = {
  jsonrpc: "2.0",
  id: 0,
  result: { protocolVersion: "2025-06-18", capabilities: { tools: {} }, serverInfo: INFO },
};
const CLOSED = { code: "CONNECTION_CLOSED" };

function makeServer(): McpServer {
  const server = new McpServer(INFO);
  const inputSchema = z.object({ text: z.string() });
  server.registerTool("echo", { inputSchema }, ({ text }) => ({ content: [{ type: "text", text }] }));
  return server;
}

async function callEcho(client: Client, text: string): Promise<string | undefined> {
  const { content } = await client.callTool({ name: "echo", arguments: { text } });
  return content[0]?.type === "text" ? content[0].text : undefined;
}

/** A client that talks to what the test plays, and what it was told. */
async function clientOf(t: TestContext) {
  const { ours, theirs } = await ends(t);
  const client = new Client(INFO);
  const errors: Error[] = [];
  client.onerror = (error) => void errors.push(error);
  const closed = new Promise<void>((resolve) => {
    client.onclose = resolve;
  });
  return { ours, theirs, client, errors, closed };
}

test("mcp.js lists tools, calls one, and gets its progress, its result and its error", LIMIT, async (t) => {
  const lines = ["forecast: Tomorrow's weather", "1 of 2", "sunny in Turin", "failed: it is under water"];
  await prints(t, "mcp", lines);
});

test("megabytes of any characters come through MCP as they were, many at a time", LIMIT, async (t) => {
  const server = closing(t, await serve(socketPath(t), makeServer));
  const client = new Client(INFO);
  await client.connect(new EarshotTransport((await connect(t, server.address)).open()));
  const texts = [0, 1, 2, 3].map((index) => LONG_TEXT + index);
  assert.deepEqual(await Promise.all(texts.map((text) => callEcho(client, text))), texts);
});

test("an MCP client that closes ends both directions; its server is told", LIMIT, async (t) => {
  const { ours, theirs, client, errors, closed } = await clientOf(t);
  const connecting = client.connect(new EarshotTransport(ours));
  const server = makeServer();
  const toldAt = new Promise<void>((resolve) => {
    server.server.onclose = resolve;
  });
  await server.connect(new EarshotTransport(await theirs));
  await connecting;
  assert.equal(await callEcho(client, "a"), "a");
  await client.close();
  await Promise.all([closed, toldAt, ours.closed, (await theirs).closed]);
  assert.deepEqual(errors, []);
  await assert.rejects(callEcho(client, "b"));
});

test("an MCP server that closes ends both directions; its client is told, and calls reject", LIMIT, async (t) => {
  const { ours, theirs, client, errors, closed } = await clientOf(t);
  const connecting = client.connect(new EarshotTransport(ours));
  const server = makeServer();
  const calling = new Promise<void>((resolve) => {
    server.registerTool("wait", {}, () => {
      resolve();
      return new Promise(() => {});
    });
  });
  await server.connect(new EarshotTransport(await theirs));
  await connecting;
  const waiting = assert.rejects(client.callTool({ name: "wait" }), CLOSED);
  await calling;
  await server.close();
  await Promise.all([waiting, closed, ours.closed, (await theirs).closed]);
  assert.deepEqual(errors, []);
});

test("pending calls of MCP reject when the server is killed in the middle of a message", LIMIT, async (t) => {
  const { client: connection, die } = await mortal(t);
  const client = new Client(INFO);
  const errors: Error[] = [];
  client.onerror = (error) => void errors.push(error);
  const connecting = assert.rejects(client.connect(new EarshotTransport(connection.open())), CLOSED);
  await die("initialize", '{"jsonrpc":"2.0","id":0,"resu');
  await connecting;
  assert.deepEqual(
    errors.map((error) => (error as Error & { code?: string }).code),
    ["CONNECTION_LOST"],
  );
});

test("a line that is no message is told to onerror, and those behind it are read", LIMIT, async (t) => {
  const { ours, theirs, client, errors } = await clientOf(t);
  const connecting = client.connect(new EarshotTransport(ours));
  const pair = await theirs;
  await write(pair, `{"neither":"nor"}\n${JSON.stringify(ANSWER)}\n`);
  await connecting;
  assert.equal(errors.length, 1);
  await client.close();
});
