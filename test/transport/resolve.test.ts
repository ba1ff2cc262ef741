import assert from "node:assert/strict";
import { relative } from "node:path";
import { test } from "node:test";
import { parseAddress } from "../../src/address.js";
import { type Host, resolveListenTarget, resolveSocket } from "../../src/transport/resolve.js";

const LINUX: Host = { platform: "linux" };
const MAC: Host = { platform: "darwin" };

function resolve(text: string, host: Host = LINUX, env: NodeJS.ProcessEnv = {}) {
  return resolveSocket(parseAddress(text), "dial", env, host);
}

test("a socket of the service manager is for servers, by its name or without", () => {
  for (const [text, name] of [
    ["systemd:", undefined],
    ["activation:", undefined],
    ["systemd:notes.socket", "notes.socket"],
    ["activation:my notes", "my notes"],
  ] as const) {
    const target = { kind: "activation", name, text };
    assert.deepEqual(parseAddress(text), target);
    assert.deepEqual(resolveListenTarget(parseAddress(text)), target);
    assert.throws(() => resolve(text), { code: "INVALID_ADDRESS", message: /only a server takes a socket from/ });
  }
  for (const text of ["systemd:a:b", "systemd:a\n", "systemd:é", `systemd:${"x".repeat(256)}`, "Systemd:"]) {
    assert.throws(() => parseAddress(text), { code: "INVALID_ADDRESS" }, text);
  }
  assert.equal(resolveListenTarget(parseAddress("/run/a.sock")).text, "unix:/run/a.sock");
});

test("relative paths become absolute", () => {
  const path = relative(process.cwd(), "/run/a.sock");
  const expected = { kind: "path", path: "/run/a.sock", text: "unix:/run/a.sock" };
  assert.deepEqual(resolve(`unix:${path}`), expected);
  assert.deepEqual(resolve("/run/./x/../a.sock"), expected);
});

test("a bare name is a socket in the user's runtime directory", () => {
  const path = "/run/user/7/earshot/chat.sock";
  const target = resolve("chat", LINUX, { XDG_RUNTIME_DIR: "/run/user/7" });
  assert.deepEqual(target, { kind: "path", path, text: `unix:${path}` });
});

for (const [host, limit] of [
  [LINUX, 107],
  [MAC, 103],
] as const) {
  test(`on ${host.platform} a path has at most ${limit} bytes, however many characters`, () => {
    assert.ok(resolve(`/${"x".repeat(limit - 1)}`, host));
    assert.ok(resolve(`/${"é".repeat((limit - 1) / 2)}`, host));
    assert.throws(() => resolve(`/${"x".repeat(limit)}`, host), {
      code: "ADDRESS_TOO_LONG",
      op: "dial",
      message: new RegExp(`the path is 1 byte too long; a socket's may have ${limit} bytes`),
    });
    assert.throws(() => resolve(`/${"é".repeat((limit + 1) / 2)}`, host), { message: /is 2 bytes too long/ });
  });
}

test("abstract names have at most 107 bytes, and exist on Linux", () => {
  const name = "é".repeat(53);
  assert.deepEqual(resolve(`unix:@${name}x`), { kind: "abstract", name: `${name}x`, text: `unix:@${name}x` });
  assert.throws(() => resolve(`unix:@${name}xy`), { code: "ADDRESS_TOO_LONG", message: /the name is 1 byte too long/ });
  assert.throws(() => resolve("unix:@a", MAC), { code: "UNSUPPORTED", message: /only Linux/ });
});
