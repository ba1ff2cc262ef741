import assert from "node:assert/strict";
import { createConnection } from "node:net";
import { test } from "node:test";
import {
  createMessageConnection,
  ErrorCodes,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import { connect as connectOver, serve } from "../../../examples/guests/vscode-jsonrpc.js";
import { closing, connect, ends, heard, LIMIT, LONG_TEXT, mortal, prints, socketPath, write } from "./support.js";

const REJECTED = { code: ErrorCodes.PendingResponseRejected };

function frame(message: object): string {
  const text = JSON.stringify({ jsonrpc: "2.0", ...message });
  return `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

test("vscode-jsonrpc.js requests, notifies and cancels", LIMIT, async (t) => {
  await prints(t, "vscode-jsonrpc", ["3", "A LINE", "-32800: cancelled"]);
});

test("megabytes of any characters come through JSON-RPC as they were, many at a time", LIMIT, async (t) => {
  const server = await serve(socketPath(t), (connection) => connection.onRequest("echo", (text: string) => text));
  closing(t, server);
  const connection = connectOver((await connect(t, server.address)).open());
  connection.listen();
  const texts = [0, 1, 2, 3].map((index) => LONG_TEXT + index);
  assert.deepEqual(await Promise.all(texts.map((text) => connection.sendRequest("echo", text))), texts);
});

test("an editor that knows only sockets reaches the server as well", LIMIT, async (t) => {
  const server = closing(t, await serve(socketPath(t), (connection) => connection.onRequest("echo", (text) => text)));
  const socket = createConnection(server.address.slice("unix:".length));
  t.after(() => socket.destroy());
  const connection = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
  connection.listen();
  assert.equal(await connection.sendRequest("echo", "a"), "a");
  assert.equal(await connection.sendRequest("echo", LONG_TEXT), LONG_TEXT);
  connection.end();
  await server.close();
});

test("an error of a JSON-RPC handler comes with its code and data", LIMIT, async (t) => {
  const server = await serve(socketPath(t), (connection) => {
    connection.onRequest("fail", () => new ResponseError(7, "no", { why: "tired" }));
  });
  closing(t, server);
  const connection = connectOver((await connect(t, server.address)).open());
  connection.listen();
  await assert.rejects(connection.sendRequest("fail"), { code: 7, message: "no", data: { why: "tired" } });
});

test("pending requests reject when the server is killed in the middle of a message", LIMIT, async (t) => {
  const { client, die } = await mortal(t);
  const connection = connectOver(client.open());
  connection.listen();
  const pending = assert.rejects(connection.sendRequest("wait"), REJECTED);
  await die("wait", "Content-Length: 100\r\n\r\nhalf a mess");
  await pending;
});

test("a request that is answered right before the end resolves, and one that is not rejects", LIMIT, async (t) => {
  const { ours, theirs } = await ends(t);
  const connection = connectOver(ours);
  connection.listen();
  const requests = Array.from({ length: 100 }, () => connection.sendRequest("a"));
  const unanswered = assert.rejects(connection.sendRequest("b"), REJECTED);
  const pair = await theirs;
  await heard(pair, '"b"');
  await write(pair, requests.map((_, id) => frame({ id, result: id })).join(""));
  await pair.writable.close();
  assert.deepEqual(
    await Promise.all(requests),
    requests.map((_, id) => id),
  );
  await unanswered;
  await pair.readable.cancel();
  await ours.closed;
});

for (const [what, text] of [
  ["header", "Content-Len"],
  ["message", "Content-Length: 20\r\n\r\n{"],
  ["long message", "Content-Length: 20000\r\n\r\n{"],
] as const) {
  test(`pending requests reject when the other side ends in the middle of a ${what}`, LIMIT, async (t) => {
    const { ours, theirs } = await ends(t);
    const connection = connectOver(ours);
    connection.listen();
    const pending = assert.rejects(connection.sendRequest("wait"), REJECTED);
    const pair = await theirs;
    await write(pair, text);
    await pair.writable.close();
    await pending;
  });
}

test("the server's connection is over when the client's is, however", LIMIT, async (t) => {
  for (const leave of ["end", "abort"] as const) {
    const { ours, theirs } = await ends(t);
    await write(ours, frame({ method: "hello" }));
    const pair = await theirs;
    const connection = connectOver(pair);
    const disposed = new Promise<void>((resolve) => void connection.onDispose(resolve));
    const greeted = new Promise<void>((resolve) => void connection.onNotification("hello", resolve));
    connection.listen();
    await greeted;
    if (leave === "end") await ours.writable.close();
    else await ours.writable.abort(new Error("gone"));
    await disposed;
    assert.equal((await pair.closed)?.code, leave === "end" ? undefined : "CANCELLED");
  }
});
