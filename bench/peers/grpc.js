// @grpc/grpc-js over a Unix socket, at its fastest: bytes as they are, without protobuf on top.
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";

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
const SERVICE = { echo: procedure("echo", false), items: procedure("items", true) };
const ITEM = Buffer.alloc(64, "x");

/** Echoes, and streams as many items of 64 bytes as a request says in decimal digits. */
export async function serve(path) {
  const server = new Server();
  server.addService(SERVICE, {
    echo: (call, reply) => reply(null, call.request),
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

export function dial(path) {
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  const { echo, items } = SERVICE;
  return {
    echo: (bytes) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(echo.path, asIs, asIs, bytes, (error, reply) =>
          error ? reject(error) : resolve(reply),
        );
      }),
    items: (count) => client.makeServerStreamRequest(items.path, asIs, asIs, Buffer.from(String(count))),
    close: () => client.close(),
  };
}
