// JSON-RPC as editors and language servers speak it, over earshot. The server answers those as well who know nothing of
// earshot and only open its socket: on the plain wire their connection is the pair of streams.
//
//   npm install vscode-jsonrpc
//   node examples/guests/vscode-jsonrpc.js
// @ts-check
import { Readable, Writable } from "node:stream";
import { dial, listen } from "earshot";
import * as rpc from "vscode-jsonrpc/node";

/**
 * A connection over what `open` and `accept` give. When that is over, whether it has ended or broken off, the connection is
 * disposed, and so its pending requests reject: by itself vscode-jsonrpc leaves them pending for ever.
 *
 * @param {import("earshot").Duplex} pair
 */
export function connect(pair) {
  const reader = new rpc.StreamMessageReader(Readable.from(withEnd(pair.readable, () => watch(1))));
  /** The reader's own timer for messages of which a part has come; it never stops by itself, and so is off. */
  const watch = (/** @type {number} */ timeoutMs) => {
    reader.partialMessageTimeout = timeoutMs;
  };
  watch(0);
  const connection = rpc.createMessageConnection(reader, new rpc.StreamMessageWriter(Writable.fromWeb(pair.writable)));
  const finish = () => {
    watch(0);
    connection.end();
    connection.dispose();
  };
  connection.onNotification(END, finish);
  // Nothing can be read behind what is no frame, nor the end behind a part of one.
  reader.onError(finish);
  reader.onPartialMessage(finish);
  void pair.closed.then((error) => error && connection.dispose());
  return connection;
}

const END = "$/end";

/**
 * Messages are handled some time after they have come, one after the other. So the end is a message as well, the last one.
 *
 * @param {ReadableStream<Uint8Array>} readable @param {() => void} onEnd
 */
async function* withEnd(readable, onEnd) {
  yield* readable;
  onEnd();
  const message = JSON.stringify({ jsonrpc: "2.0", method: END });
  yield Buffer.from(`Content-Length: ${message.length}\r\n\r\n${message}`);
}

/**
 * Serves all who call; each has a connection of its own.
 *
 * @param {string} address
 * @param {(connection: rpc.MessageConnection) => void} setUp adds the handlers
 */
export function serve(address, setUp) {
  return listen(
    address,
    async (message) => {
      const pair = message.accept();
      const connection = connect(pair);
      setUp(connection);
      connection.listen();
      await pair.closed;
    },
    { body: "stream" },
  );
}

async function main(address = "jsonrpc") {
  const server = await serve(address, (connection) => {
    connection.onRequest("add", (/** @type {number} */ a, /** @type {number} */ b) => a + b);
    connection.onRequest("wait", async (/** @type {rpc.CancellationToken} */ token) => {
      // A request that was cancelled before its handler is called gets no event.
      if (!token.isCancellationRequested) await new Promise((resolve) => token.onCancellationRequested(resolve));
      return new rpc.ResponseError(-32800, "cancelled");
    });
    connection.onNotification("log", async (/** @type {string} */ text) => {
      await connection.sendNotification("logged", text.toUpperCase());
    });
  });
  const client = await dial(address);
  const pair = client.open();
  const connection = connect(pair);
  connection.onError(([error]) => console.error(error.message));
  /** @type {Promise<string>} */
  const logged = new Promise((resolve) => void connection.onNotification("logged", resolve));
  connection.listen();

  console.log(await connection.sendRequest("add", 1, 2));
  await connection.sendNotification("log", "a line");
  console.log(await logged);
  const source = new rpc.CancellationTokenSource();
  const waiting = connection.sendRequest("wait", source.token);
  source.cancel();
  await waiting.catch((error) => console.log(`${error.code}: ${error.message}`));

  connection.end();
  await pair.closed;
  await client.close();
  await server.close();
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
