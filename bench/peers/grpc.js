// @grpc/grpc-js over a Unix socket, at its fastest: bytes as they are, without protobuf on top.
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { answer } from "./answer.js";

export const settings =
  "bytes as they are, no protobuf on top; no limit on messages; a channel of its own for each client " +
  "(`grpc.use_local_subchannel_pool`); everything else as by default";

const OPTIONS = {
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.use_local_subchannel_pool": 1,
};
const asIs = (bytes) => bytes;
const procedure = (name, responseStream) => ({
  path: `/bench/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});
const SERVICE = { send: procedure("send", false), items: procedure("items", true) };
const ITEM = Buffer.alloc(64, "x");

/** Answers, and streams as many items of 64 bytes as a request says in decimal digits. */
export async function serve(path) {
  const server = new Server(OPTIONS);
  server.addService(SERVICE, {
    send: (call, reply) => reply(null, answer(call.request)),
    items: (call) => {
      let left = Number(call.request.toString());
      const write = () => {
        while (left > 0) {
          left--;
          if (!call.write(ITEM)) return call.once("drain", write);
        }
        return call.end();
      };
      write();
    },
  });
  await new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

export async function dial(path) {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), OPTIONS);
  await new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve()));
  });
  const { send, items } = SERVICE;
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(send.path, asIs, asIs, bytes, (error, reply) =>
          error ? reject(error) : resolve(reply),
        );
      }),
    items: (count) => client.makeServerStreamRequest(items.path, asIs, asIs, Buffer.from(String(count))),
    close: async () => client.close(),
  };
}
