// NATS JetStream, with the packages of NATS: over TCP, for its server has no Unix sockets.
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const STREAM = "messages";
/** As many as an outbox has under way. */
const AT_ONCE = 256;

async function open(servers) {
  const connection = await connect({ servers });
  const manager = await jetstreamManager(connection);
  const retention = RetentionPolicy.Workqueue;
  await manager.streams.add({ name: STREAM, subjects: [STREAM], storage: StorageType.File, retention });
  return { manager, client: jetstream(connection) };
}

/** Its `post` resolves when the server has written the message to its file. */
export async function dial(servers) {
  const { client } = await open(servers);
  return { post: (text) => client.publish(STREAM, text) };
}

/** Handles messages; a work queue removes what is acknowledged. */
export async function receive(servers, onHandled) {
  const { manager, client } = await open(servers);
  await manager.consumers.add(STREAM, { durable_name: "receiver", ack_policy: AckPolicy.Explicit });
  const consumer = await client.consumers.get(STREAM, "receiver");
  const messages = await consumer.consume({ max_messages: AT_ONCE });
  void handle(messages, onHandled);
}

async function handle(messages, onHandled) {
  for await (const message of messages) {
    message.ack();
    onHandled(1);
  }
}
