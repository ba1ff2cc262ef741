import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { chooseSockets, type TransportKind } from "../../src/transport/kind.js";
import { resolvePath } from "../../src/transport/resolve.js";
import type { Transport } from "../../src/transport/transport.js";
import { temporaryDirectory } from "../support/temp.js";
import { require } from "../support/tools.js";
import { hasNative } from "./rings.js";
import { testTransport } from "./suite.js";

/** A connection through a socket in the file system: the caller's end, and the one that was accepted. */
async function connect(t: TestContext, dialing: TransportKind, listening: TransportKind) {
  const target = resolvePath(join(temporaryDirectory(t), "s"), "listen");
  const accepted = withResolvers<Transport>();
  const options = { mode: 0o600, spinUs: 50, backlog: 16, onTransport: accepted.resolve, onError() {} };
  const listener = await chooseSockets(listening).listen(target, options);
  t.after(() => listener.close());
  const dialed = await chooseSockets(dialing).dial(target, { timeoutMs: 5_000, signal: undefined, spinUs: 50 });
  return { dialed, accepted: await accepted.promise };
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

for (const [dialing, listening] of [
  ["net", "net"],
  ["native", "native"],
  ["net", "native"],
  ["native", "net"],
] as const) {
  if ((dialing === "native" || listening === "native") && !hasNative) {
    test(`${dialing} and ${listening} sockets`, (t) => void require(t, false, "there is no addon"));
    continue;
  }
  testTransport(`${dialing}, dialed from ${listening},`, async (t) => {
    const { dialed, accepted } = await connect(t, dialing, listening);
    return [dialed, accepted];
  });
  testTransport(`${listening}, accepted for ${dialing},`, async (t) => {
    const { dialed, accepted } = await connect(t, dialing, listening);
    return [accepted, dialed];
  });
}
