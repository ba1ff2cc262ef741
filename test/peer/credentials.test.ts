import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type Allow,
  anyUser,
  type Credentials,
  dial,
  groups,
  type ListenOptions,
  listen,
  sameUser,
  users,
} from "../../src/index.js";
import { chooseSockets } from "../../src/transport/kind.js";
import { Child, until } from "../support/children.js";
import { MemoryLogger } from "../support/logger.js";
import { requireRoot } from "../support/tools.js";
import { connect, outcome, rejection, serve } from "./support.js";

const NOBODY = { uid: 65_534, gid: 65_533, groups: [65_532, 65_531] } as const;
const IS_NATIVE = chooseSockets("auto").kind === "native";

/** A server that answers with what it knows of the caller, in a directory that others may enter. */
async function publicServer(t: TestContext, options: ListenOptions) {
  const server = await serve(t, (_, { peer }) => JSON.stringify(peer.credentials), options);
  chmodSync(dirname(server.address.slice("unix:".length)), 0o755);
  return server;
}

async function nobody(t: TestContext): Promise<Child> {
  const child = await Child.start(t, "user-client");
  await child.call("become", NOBODY);
  return child;
}

function read(answer: unknown): Credentials {
  return JSON.parse(String(answer).slice("reply ".length));
}

test("the mode of the socket file keeps another user out", async (t) => {
  if (!requireRoot(t)) return;
  const server = await publicServer(t, {});
  const child = await nobody(t);
  assert.equal(await child.call("send", { address: server.address }), "PERMISSION_DENIED");
});

if (IS_NATIVE) {
  test("another user whom the mode lets through is refused, and told so, and the server logs who it was", async (t) => {
    if (!requireRoot(t)) return;
    const logger = new MemoryLogger();
    const server = await publicServer(t, { mode: 0o666, logger });
    const child = await nobody(t);
    assert.equal(await child.call("send", { address: server.address }), "PEER_REFUSED");
    // The plain wire has no word for it: the connection just ends.
    assert.doesNotMatch(
      String(await child.call("send", { address: server.address, options: { wire: "plain" } })),
      /uid/,
    );
    const own = await connect(t, server);
    assert.equal(read(await outcome(own.send("x"))).uid, 0);
    const [line] = logger.at("warn");
    assert.match(line?.text ?? "", /refused a connection: user 65534 is not allowed/);
  });

  test("the credentials of another user are the kernel's: user, group, supplementary groups, process", async (t) => {
    if (!requireRoot(t)) return;
    const server = await publicServer(t, { mode: 0o666, allow: anyUser() });
    const child = await nobody(t);
    for (const wire of ["framed", "plain"]) {
      const { groups: others, ...rest } = read(
        await child.call("send", { address: server.address, options: { wire } }),
      );
      assert.deepEqual(rest, { uid: NOBODY.uid, gid: NOBODY.gid, pid: child.pid, isPidTrusted: true });
      assert.deepEqual(others.toSorted(), NOBODY.groups.toSorted());
    }
  });

  test("who may connect is a function of credentials", async (t) => {
    if (!requireRoot(t)) return;
    const child = await nobody(t);
    const cases: [Allow, boolean][] = [
      [users(NOBODY.uid), true],
      [users(1, 2), false],
      [groups(NOBODY.gid), true],
      [groups(65_531), true],
      [groups(1), false],
      [sameUser(), false],
      [({ pid, isPidTrusted }) => isPidTrusted && pid === child.pid, true],
      [({ pid }) => pid === process.pid, false],
    ];
    for (const [allow, isAllowed] of cases) {
      const server = await publicServer(t, { mode: 0o666, allow });
      const answer = String(await child.call("send", { address: server.address }));
      assert.equal(answer.startsWith("reply"), isAllowed, `${allow}: ${answer}`);
    }
  });

  test("what does not say true lets nobody in: a promise, a throw, a number", async (t) => {
    for (const allow of [async () => true, () => assert.fail("no"), () => 1]) {
      const server = await serve(t, () => "in", { allow: allow as unknown as Allow });
      const client = await connect(t, server);
      assert.equal(await outcome(client.send("x")), "PEER_REFUSED unsent");
    }
  });

  test("a caller that is gone when it is looked at has its user, but no process", async (t) => {
    let seen: Credentials | undefined;
    const server = await serve(t, (_, { peer }) => {
      seen = peer.credentials;
    });
    const path = server.address.slice("unix:".length);
    const code = `require("node:net").connect(${JSON.stringify(path)}, function () { this.end("bye", () => process.exit()) })`;
    // While this process is busy nothing is accepted: the caller is gone, and waited for, before anybody looks.
    assert.equal(spawnSync(process.execPath, ["-e", code]).status, 0);
    await until(() => seen !== undefined, "the message");
    assert.equal(seen?.uid, process.getuid?.());
    assert.equal(seen?.isPidTrusted, false);
  });

  test("a client looks at the server likewise", async (t) => {
    const server = await serve(t, () => "in");
    const us = process.getuid?.() ?? 0;
    const client = await connect(t, server, { allow: users(us) });
    assert.equal(await outcome(client.send("x")), "reply in");
    const error = await rejection(dial(server.address, { allow: users(us + 1) }));
    assert.equal(error.code, "PEER_REFUSED");
    assert.match(error.message, new RegExp(`Cannot dial .*of the server there, user ${us} is not allowed`));
    await until(() => server.connectionCount === 1, "the refusing client to be gone");
  });

  test("an abstract name, which has no mode, keeps other users out as well", async (t) => {
    if (!requireRoot(t)) return;
    const server = await listen(`unix:@earshot-test-${process.pid}-${Math.random()}`, () => "in");
    t.after(() => server.close());
    const child = await nobody(t);
    assert.equal(await child.call("send", { address: server.address }), "PEER_REFUSED");
  });
}

test("where nobody can tell who calls, to ask for it lets nobody in", async (t) => {
  const logger = new MemoryLogger();
  const error = await rejection(serve(t, () => "in", { transport: "net", allow: anyUser(), logger }));
  assert.equal(error.code, "UNSUPPORTED");
  const server = await serve(t, (_, { peer }) => String(peer.credentials), { transport: "net" });
  const client = await connect(t, server, { transport: "net" });
  assert.equal(await outcome(client.send("x")), "reply undefined");
  const dialing = await rejection(dial(server.address, { transport: "net", allow: anyUser() }));
  assert.equal(dialing.code, "PEER_REFUSED");
});

test("what is no function of credentials is refused", async (t) => {
  assert.equal((await rejection(serve(t, () => "in", { allow: 1000 as never }))).code, "INVALID_ARGUMENT");
  assert.throws(() => users(), { code: "INVALID_ARGUMENT" });
  assert.throws(() => groups(-1), { code: "INVALID_ARGUMENT" });
});
