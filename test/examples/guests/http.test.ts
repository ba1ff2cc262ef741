import assert from "node:assert/strict";
import { createServer, type IncomingMessage, request } from "node:http";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { type Client, dial, listen } from "earshot";
import { serve } from "../../../examples/guests/http.js";
import { closing, connect, LIMIT, LONG_TEXT, mortal, prints, socketPath } from "./support.js";

function post(client: Client, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const createConnection = () => Duplex.fromWeb(client.open());
    request({ createConnection, method: "POST" }, resolve).on("error", reject).end(body);
  });
}

test("http.js gets an answer, from a server that knows who asks", LIMIT, async (t) => {
  // Over `node:net` nobody can tell.
  const asked = await listen(socketPath(t), (_, { peer }) => `${peer.credentials?.uid ?? "unknown"}`);
  const asking = await dial(asked.address);
  const user = (await asking.send("who?")).text();
  await asking.close();
  await asked.close();
  await prints(t, "http", [`200 /hello for user ${user}`]);
});

test("megabytes go both ways as HTTP, many requests at a time", LIMIT, async (t) => {
  const http = createServer((incoming, response) => void incoming.pipe(response));
  const server = closing(t, await serve(socketPath(t), http));
  const client = await connect(t, server.address);
  const texts = [0, 1, 2, 3].map((index) => LONG_TEXT + index);
  const answers = await Promise.all(texts.map(async (body) => await text(await post(client, body))));
  assert.deepEqual(answers, texts);
  await client.close();
});

test("a request fails when the server is killed in the middle of its answer", LIMIT, async (t) => {
  const { client, die } = await mortal(t);
  const posting = post(client, "hello").then(text);
  const failing = assert.rejects(posting, (error: Error & { code?: string }) => {
    return error.code === "CONNECTION_LOST" || error.code === "ECONNRESET";
  });
  await die("hello", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  await failing;
});
