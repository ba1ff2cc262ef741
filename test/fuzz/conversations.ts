import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Client, dial, EarshotError } from "../../src/index.js";
import { temporaryDirectory } from "../support/temp.js";

async function* parts(): AsyncGenerator<string> {
  yield "a".repeat(100);
  yield "b".repeat(70_000);
}

/** What clients do, one after the other, each on a connection of its own. */
const TALKS: readonly ((client: Client) => Promise<unknown>)[] = [
  (client) => client.send("12345"),
  (client) => client.send("123"),
  (client) => Promise.all(["1", "22", "333", "4444", "55555", "666666"].map((text) => client.send(text))),
  (client) => client.send("x".repeat(200_000)),
  (client) => client.send("x".repeat(400_000)),
  (client) => client.send("an id", { id: "one", headers: { name: "value", other: "" } }),
  (client) => Promise.all([client.send("again", { id: "two" }), client.send("again", { id: "two" })]),
  (client) => client.send("in time", { timeoutMs: 5_000 }),
  (client) => client.send("12345678", { timeoutMs: 5 }),
  (client) => client.ping(),
  (client) => client.send(parts()),
  async (client) => {
    const reply = await client.send("1234567", { body: "stream" });
    for await (const _ of reply.body);
  },
  async (client) => {
    const subscription = client.subscribe("a.>", { replay: 1 });
    await subscription.ready;
    await client.send("12345");
    await subscription.next();
    await subscription.return();
  },
  async (client) => {
    const slow = client.subscribe("*.b", { slow: "wait" });
    await slow.ready;
    await Promise.all([client.send("1234"), client.send("12345")]);
  },
];

/** What clients have really said to servers: bytes to begin with. */
export async function recordConversations(t: TestContext, addresses: readonly string[]): Promise<Buffer[]> {
  const recorded: Buffer[] = [];
  for (const address of addresses) {
    const path = join(temporaryDirectory(t), "r");
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const said: Buffer[] = [];
      const far = connect({ path: address, allowHalfOpen: true });
      near.on("data", (bytes: Buffer) => said.push(bytes));
      near.on("close", () => {
        recorded.push(Buffer.concat(said));
        far.destroy();
      });
      // A server that cuts a caller cuts him here, too: a pipe passes on ends only, and he would wait for ever.
      far.on("close", () => near.destroySoon());
      near
        .on("error", () => {})
        .pipe(far.on("error", () => {}))
        .pipe(near);
    });
    t.after(() => void server.close());
    await once(server.listen(path), "listening");
    for (const wire of ["framed", "plain"] as const) {
      for (const talk of TALKS) await converse(path, wire, talk);
    }
  }
  return recorded.filter(({ length }) => length > 0);
}

async function converse(path: string, wire: "framed" | "plain", talk: (client: Client) => Promise<unknown>) {
  const client = await dial(path, { wire });
  try {
    await talk(client);
  } catch (error) {
    // Some of it is refused, and meant to be.
    if (!(error instanceof EarshotError)) throw error;
  }
  void client.close();
  await client.close();
}
