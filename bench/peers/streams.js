// Redis streams over a Unix socket, with the package `redis`: commands of one turn leave together.
import { createClient } from "redis";

const STREAM = "messages";
const GROUP = "receivers";
/** As many as an outbox has under way. */
const AT_ONCE = 256;

async function connect(path) {
  const client = createClient({ socket: { path } });
  await client.connect();
  return client;
}

/** Its `post` resolves when the server has appended the message to its file. */
export async function dial(path) {
  const client = await connect(path);
  return { post: (text) => client.xAdd(STREAM, "*", { text }) };
}

/** Handles messages, and removes them when they are handled: a stream keeps what is only acknowledged. */
export async function receive(path, onHandled) {
  const client = await connect(path);
  await client.xGroupCreate(STREAM, GROUP, "0", { MKSTREAM: true });
  void handle(client, onHandled);
}

async function handle(client, onHandled) {
  const read = () => client.xReadGroup(GROUP, "one", { key: STREAM, id: ">" }, { COUNT: AT_ONCE, BLOCK: 0 });
  for (let next = read(); ; ) {
    const messages = (await next)?.[0]?.messages ?? [];
    const ids = messages.map(({ id }) => id);
    const removed = Promise.all([client.xAck(STREAM, GROUP, ids), client.xDel(STREAM, ids)]);
    next = read();
    await removed;
    onHandled(messages.length);
  }
}
