// JSON-RPC as editors and language servers speak it, over earshot.
//
//   npm install vscode-jsonrpc
//   node examples/guests/vscode-jsonrpc.js
// @ts-check
import { Duplex } from "node:stream";
import { dial, listen } from "earshot";
import { CancellationTokenSource, createMessageConnection, ResponseError } from "vscode-jsonrpc/node";

/**
 * A connection over what `open` and `accept` give. When that is over, whether it ended or broke off, so is the connection,
 * and its pending requests reject: by itself vscode-jsonrpc leaves them pending for ever when the other side dies.
 *
 * @param {import("earshot").Duplex} pair
 */
export function connect(pair) {
  // When the other side ends its direction, this side does so too.
  const stream = Duplex.fromWeb(pair, { allowHalfOpen: false });
  const connection = createMessageConnection(stream, stream);
  void pair.closed.then(() => connection.dispose());
  return connection;
}

/**
 * Serves all who call; each has a connection of its own.
 *
 * @param {string} address
 * @param {(connection: import("vscode-jsonrpc").MessageConnection) => void} setUp adds the handlers
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
    connection.onRequest("wait", async (/** @type {import("vscode-jsonrpc").CancellationToken} */ token) => {
      // A request that was cancelled before its handler is called gets no event.
      if (!token.isCancellationRequested) await new Promise((resolve) => token.onCancellationRequested(resolve));
      return new ResponseError(-32800, "cancelled");
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
  const source = new CancellationTokenSource();
  const waiting = connection.sendRequest("wait", source.token);
  source.cancel();
  await waiting.catch((error) => console.log(`${error.code}: ${error.message}`));

  connection.end();
  await pair.closed;
  await client.close();
  await server.close();
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
