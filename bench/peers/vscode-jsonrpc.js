// vscode-jsonrpc over node:net: requests in JSON, bytes in base64.
import { connect, createServer } from "node:net";
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from "vscode-jsonrpc/node";
import { answer } from "./answer.js";

export const settings =
  "`SocketMessageReader` and `SocketMessageWriter`, as by default; bytes in base64, because its messages are JSON";

/** Its texts are longer than the longest text of JavaScript soon after. */
export const largestBytes = 67_108_864;

function connection(socket) {
  return createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
}

export async function serve(path) {
  const server = createServer((socket) => {
    const rpc = connection(socket);
    rpc.onRequest("send", (text) => Buffer.from(answer(Buffer.from(text, "base64"))).toString("base64"));
    rpc.onError(() => {});
    rpc.listen();
  });
  await new Promise((resolve) => server.listen({ path, backlog: 4_096 }, resolve));
}

export async function dial(path) {
  const socket = connect(path);
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const rpc = connection(socket);
  rpc.onError(() => {});
  rpc.listen();
  return {
    send: async (bytes) => Buffer.from(await rpc.sendRequest("send", Buffer.from(bytes).toString("base64")), "base64"),
    close: () =>
      new Promise((resolve) => {
        socket.once("close", () => resolve());
        rpc.end();
        socket.end();
      }),
  };
}
