import { join } from "node:path";
import type { TestContext } from "node:test";
import { dialNet } from "../../src/transport/net.js";
import { listenNet } from "../../src/transport/net-listener.js";
import { resolvePath } from "../../src/transport/resolve.js";
import type { Transport } from "../../src/transport/transport.js";
import { temporaryDirectory } from "../support/temp.js";
import { testTransport } from "./suite.js";

/** A connection through a socket in the file system: the caller's end, and the one that was accepted. */
async function connect(t: TestContext): Promise<[Transport, Transport]> {
  const target = resolvePath(join(temporaryDirectory(t), "s"), "listen");
  const { promise, resolve } = withResolvers<Transport>();
  const listener = await listenNet(target, { mode: 0o600, backlog: 16, onTransport: resolve, onError() {} });
  t.after(() => listener.close());
  const dialed = await dialNet(target, { timeoutMs: 5_000, signal: undefined });
  return [dialed, await promise];
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

testTransport("net", connect);
testTransport("net, seen from the listener,", async (t) => {
  const [dialed, accepted] = await connect(t);
  return [accepted, dialed];
});
