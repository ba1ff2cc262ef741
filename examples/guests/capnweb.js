// Cap'n Web over earshot: calls, callbacks and pipelining between two programs on one machine.
//
//   npm install capnweb
//   node examples/guests/capnweb.js
// @ts-check
import { RpcSession, RpcTarget } from "capnweb";
import { dial, listen } from "earshot";

/** As Cap'n Web's own limit, so that a line that never ends does not fill the memory. */
const MAX_LENGTH = 32 * 1024 * 1024;

/** @typedef {import("capnweb").RpcTransport} RpcTransport */

/**
 * Carries one session: each message is a line.
 *
 * @implements {RpcTransport}
 */
export class EarshotTransport {
  #reader;
  #writer;
  #decoder = new TextDecoder();
  /** @type {string[]} */
  #lines = [];
  #rest = "";

  /** @param {import("earshot").Duplex} pair what `open` and `accept` give */
  constructor({ readable, writable }) {
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
  }

  /** Resolves when the other side has room for more. @param {string} message */
  async send(message) {
    await this.#writer.write(Buffer.from(`${message}\n`));
  }

  async receive() {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      const { done, value } = await this.#reader.read();
      if (done) throw new Error("the other side has ended the session");
      for (const [index, part] of this.#decoder.decode(value, { stream: true }).split("\n").entries()) {
        if (index > 0) this.#lines.push(this.#rest);
        this.#rest = index > 0 ? part : this.#rest + part;
      }
      if (this.#rest.length > MAX_LENGTH) throw new Error(`a message has more than ${MAX_LENGTH} characters`);
    }
  }

  /** What was sent still leaves. @param {unknown} reason */
  abort(reason) {
    this.#writer.close().catch(() => {});
    this.#reader.cancel(reason).catch(() => {});
  }
}

/** Serves an object to all who call; each has a session of its own. @param {string} address @param {() => RpcTarget} main */
export function serve(address, main) {
  return listen(
    address,
    async (message) => {
      const pair = message.accept();
      new RpcSession(new EarshotTransport(pair), main());
      await pair.closed;
    },
    { body: "stream" },
  );
}

class Greeter extends RpcTarget {
  /** @param {string} name */
  greet(name) {
    if (name === "") throw new RangeError("nobody to greet");
    return `hello ${name}`;
  }

  /** Calls back. @param {number} from @param {(count: number) => void} tick */
  async countdown(from, tick) {
    for (let count = from; count > 0; count--) await tick(count);
    return "lift-off";
  }

  user() {
    return { name: "Ada" };
  }
}

async function main(address = "capnweb") {
  const server = await serve(address, () => new Greeter());
  const client = await dial(address);
  const pair = client.open();
  /** @type {RpcSession<Greeter>} */
  const session = new RpcSession(new EarshotTransport(pair));
  const stub = session.getRemoteMain();

  console.log(await stub.greet("world"));
  console.log(await stub.countdown(3, (count) => console.log(count)));
  // One round trip: the user's name is passed on before it has come.
  console.log(await stub.greet(stub.user().name));
  await stub.greet("").catch((error) => console.log(`${error.name}: ${error.message}`));

  stub[Symbol.dispose]();
  await pair.closed;
  await client.close();
  await server.close();
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
