import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { clientOf, connect, contract, procedure, serve, type } from "../../src/contract/index.js";
import { dial, listen } from "../../src/index.js";
import { temporaryDirectory, temporaryServer } from "../support/temp.js";
import { calling, rejection, serving, unused, weather } from "./support.js";

const say = procedure({ input: type<string>(), output: type<string>() });

function at(version: string, name = "echo") {
  return contract(name, version, { say });
}

test("sides of one major version work together, before 1.0.0 of one minor", async (t) => {
  for (const [served, called] of [
    ["1.4.0", "1.0.9"],
    ["1.0.0", "1.7.2-beta.1"],
    ["0.3.1", "0.3.9"],
  ] as const) {
    const server = await serving(t, at(served), { say: (text) => text });
    assert.equal(await (await calling(t, server, at(called))).say("hi"), "hi");
  }
});

test("others reject `connect`, naming both sides and what to do", async (t) => {
  for (const [served, called, remedy] of [
    [at("2.0.0"), at("1.4.0"), /server has contract echo 2\.0\.0, the client echo 1\.4\.0, .*; upgrade the client$/],
    [at("1.4.0"), at("2.0.0"), /the client echo 2\.0\.0, .*; restart the server with the newer version$/],
    [at("0.2.0"), at("0.3.0"), /restart the server/],
    [
      at("1.0.0", "other"),
      at("1.0.0"),
      /server has contract other 1\.0\.0, the client echo 1\.0\.0; check the address$/,
    ],
  ] as const) {
    const server = await serving(t, served, { say: (text) => text });
    const error = await rejection(connect(server.address, called));
    assert.equal(error.code, "CONTRACT_MISMATCH");
    assert.match(error.message, /^Cannot dial "unix:/);
    assert.match(error.message, remedy);
  }
});

test("a server without a contract is a mismatch too", async (t) => {
  const server = await listen(join(temporaryDirectory(t), "s"), () => "fine");
  t.after(() => server.close());
  const error = await rejection(connect(server.address, at("1.0.0")));
  assert.equal(error.code, "CONTRACT_MISMATCH");
  assert.match(error.message, /the client has contract echo 1\.0\.0, the server none; check the address/);
});

test("a mismatch does not disturb a caller without a contract", async (t) => {
  const server = await serving(t, weather, unused);
  const client = await dial(server.address);
  t.after(() => client.close());
  assert.ok((await client.ping()).roundTripMs >= 0);
});

test("a procedure that the server does not have yet is UNKNOWN_PROCEDURE, and the others work", async (t) => {
  const server = await serving(t, at("1.0.0"), { say: (text) => text });
  const newer = contract("echo", "1.1.0", { say, shout: say, count: procedure({ yields: type<number>() }) });
  const api = await calling(t, server, newer);
  assert.equal(await api.say("hi"), "hi");
  for (const promise of [api.shout("hi"), api.count().next()]) {
    const error = await rejection(promise as Promise<unknown>);
    assert.equal(error.code, "UNKNOWN_PROCEDURE");
    assert.match(
      error.message,
      /contract echo 1\.0\.0 has no procedure "(shout|count)"; restart the server with a newer/,
    );
  }
});

test("a procedure that is of another kind on the other side is told as such", async (t) => {
  const server = await serving(t, at("1.0.0"), { say: (text) => text });
  const other = contract("echo", "1.0.0", { say: procedure({ input: type<string>(), yields: type<string>() }) });
  const error = await rejection((await calling(t, server, other)).say("hi").next() as Promise<unknown>);
  assert.equal(error.code, "UNKNOWN_PROCEDURE");
  assert.match(error.message, /say is another kind of procedure in contract echo 1\.0\.0: unary/);
});

test("names that mean something to JavaScript, and versions that are none, are refused when the contract is made", () => {
  const refused = (expected: RegExp, make: () => unknown) =>
    assert.throws(make, (error: { code?: string; message: string }) => {
      assert.equal(error.code, "INVALID_ARGUMENT");
      assert.match(error.message, expected);
      return true;
    });
  for (const name of ["then", "constructor", "__proto__", "toString", "toJSON", "prototype", "hasOwnProperty"]) {
    refused(/means something to JavaScript; choose another/, () => contract("c", "1.0.0", { group: own(name) }));
  }
  for (const name of ["", "a-b", "1a", "a.b", "x".repeat(256)]) {
    refused(/letters, digits and _; choose another/, () => contract("c", "1.0.0", { [name]: say }));
  }
  refused(/a full name has at most 255 bytes/, () =>
    contract("c", "1.0.0", { ["a".repeat(200)]: { ["b".repeat(200)]: say } }),
  );
  refused(/it is major\.minor\.patch/, () => contract("c", "1.0", {}));
  refused(/text of 1 to 256 characters/, () => contract("", "1.0.0", {}));
  refused(/it is procedure\(\{ \.\.\. \}\) or an object of procedures/, () =>
    contract("c", "1.0.0", { a: 5 as never }),
  );
  refused(/output and yields/, () => procedure({ output: type<1>(), yields: type<1>() }));
  refused(/with "outputs": it has input, accepts, output, yields, errors, summary/, () =>
    procedure({ outputs: 1 } as never),
  );
  refused(/Cannot use input: it is a Standard Schema/, () => procedure({ input: {} as never }));
});

function own(name: string): Record<string, typeof say> {
  return Object.defineProperty({}, name, { value: say, enumerable: true }) as Record<string, typeof say>;
}

test("close, closed, client and describe are free for procedures", async (t) => {
  const taken = contract("taken", "1.0.0", {
    close: say,
    closed: say,
    client: say,
    describe: say,
    name: say,
    version: say,
  });
  const echo = (text: string) => text;
  const server = await serving(t, taken, {
    close: echo,
    closed: echo,
    client: echo,
    describe: echo,
    name: echo,
    version: echo,
  });
  const api = await calling(t, server, taken);
  assert.equal(await api.close("a"), "a");
  assert.equal(await api.version("b"), "b");
  assert.equal(clientOf(api).address, server.address);
  assert.deepEqual(Object.keys(api), ["close", "closed", "client", "describe", "name", "version"]);
});

test("a procedure without a handler, and what is no contract, are refused when serving begins", async () => {
  await assert.rejects(serve("unix:/nowhere/s", at("1.0.0"), {} as never), /Cannot serve say: it has no handler/);
  await assert.rejects(serve("unix:/nowhere/s", {} as never, {} as never), /it is what contract\(\.\.\.\) has made/);
  await assert.rejects(connect("unix:/nowhere/s", {} as never), /it is what contract\(\.\.\.\) has made/);
});

test("a contract's client says that it takes no open files: no reply of a contract has some", async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = temporaryServer(t);
  const greeting = new Promise<Buffer>((resolve) => {
    server.on("connection", (socket) => socket.once("data", resolve));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const connecting = rejection(connect(path, contract("any", "1.0.0", {})));
  // The preface, the header of HELLO with the length of what follows, and its JSON.
  const bytes = await greeting;
  const hello = JSON.parse(bytes.toString("utf8", 24, 24 + bytes.readUInt32LE(12)));
  assert.equal(hello.limits.maxDescriptors, undefined);
  await connecting;
});
