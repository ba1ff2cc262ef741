import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ensureDirectory, findDanger, runtimeDirectory } from "../../src/transport/directory.js";
import { temporaryDirectory } from "../support/temp.js";
import { require, requireRoot } from "../support/tools.js";

const ADDRESS = "unix:/x/a.sock";
const us = process.geteuid?.() ?? 0;

test("every missing level is created with mode 0700", (t) => {
  const root = temporaryDirectory(t);
  const levels = [join(root, "a"), join(root, "a/b"), join(root, "a/b/c")];
  ensureDirectory(levels[2]!, "listen", ADDRESS);
  for (const level of levels) assert.equal(statSync(level).mode & 0o7777, 0o700);
  ensureDirectory(levels[2]!, "listen", ADDRESS);
});

test("a directory that others may write to is refused, unless it is sticky", (t) => {
  const directory = temporaryDirectory(t);
  for (const mode of [0o777, 0o707, 0o770, 0o720]) {
    chmodSync(directory, mode);
    chownSync(directory, us, 12345 + us);
    assert.throws(() => ensureDirectory(directory, "listen", ADDRESS), {
      code: "UNSAFE_DIRECTORY",
      message: new RegExp(`may replace files in the directory "${directory}"; run: chmod go-w "${directory}"`),
    });
  }
  for (const mode of [0o1777, 0o1770, 0o755, 0o750]) {
    chmodSync(directory, mode);
    ensureDirectory(directory, "listen", ADDRESS);
  }
});

test("a link to a directory is judged by the directory", (t) => {
  const root = temporaryDirectory(t);
  mkdirSync(join(root, "real"));
  chmodSync(join(root, "real"), 0o777);
  symlinkSync("real", join(root, "link"));
  assert.throws(() => ensureDirectory(join(root, "link"), "listen", ADDRESS), { code: "UNSAFE_DIRECTORY" });
  chmodSync(join(root, "real"), 0o700);
  ensureDirectory(join(root, "link"), "listen", ADDRESS);
});

test("a file, or a link to nothing, in place of a directory is an invalid address", (t) => {
  const root = temporaryDirectory(t);
  writeFileSync(join(root, "file"), "");
  symlinkSync("nowhere/at/all", join(root, "dangling"));
  for (const path of ["file", "file/below", "dangling", "dangling/below"]) {
    assert.throws(() => ensureDirectory(join(root, path), "listen", ADDRESS), { code: "INVALID_ADDRESS" }, path);
  }
});

test("an owner who is neither we nor root is refused, except to root", (t) => {
  const stats = Object.assign(statSync(temporaryDirectory(t)), { uid: 1001, gid: 1001, mode: 0o40700 });
  const isAlone = () => true;
  assert.match(findDanger("/d", stats, { uid: 1002, gid: 1002, isAlone }) ?? "", /another user \(uid 1001\)/);
  assert.equal(findDanger("/d", stats, { uid: 1001, gid: 1001, isAlone }), undefined);
  assert.equal(findDanger("/d", stats, { uid: 0, gid: 0, isAlone }), undefined);
  assert.equal(
    findDanger("/d", Object.assign(Object.create(stats), { uid: 0 }), { uid: 1002, gid: 1, isAlone }),
    undefined,
  );
});

test("a group that is the user's own and has no other member may write", (t) => {
  const stats = Object.assign(statSync(temporaryDirectory(t)), { uid: 1001, gid: 1001, mode: 0o40770 });
  const user = { uid: 1001, gid: 1001, isAlone: () => true };
  assert.equal(findDanger("/d", stats, user), undefined);
  assert.match(findDanger("/d", stats, { ...user, isAlone: () => false }) ?? "", /the group \(gid 1001\)/);
  assert.match(findDanger("/d", stats, { ...user, gid: 100 }) ?? "", /the group/);
  assert.match(findDanger("/d", Object.assign(Object.create(stats), { gid: 100 }), user) ?? "", /the group/);
  assert.match(findDanger("/d", stats, { ...user, uid: 0, gid: 0 }) ?? "", /the group/);
});

test("sockets of bare names are in XDG_RUNTIME_DIR, if it is absolute", () => {
  assert.equal(runtimeDirectory({ XDG_RUNTIME_DIR: "/run/mine" }, "dial", "a"), "/run/mine/earshot");
  assert.notEqual(runtimeDirectory({ XDG_RUNTIME_DIR: "mine" }, "dial", "a"), "mine/earshot");
});

test("the directory for want of a better is created by listening, and must be ours alone for dialing too", (t) => {
  const root = temporaryDirectory(t);
  const { TMPDIR } = process.env;
  t.after(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });
  process.env.TMPDIR = root;
  const directory = join(root, `earshot-${us}`);
  if (!require(t, runtimeDirectory({}, "dial", "a") === directory, "this user has a directory in /run/user")) return;
  assert.throws(() => statSync(directory), { code: "ENOENT" });
  assert.equal(runtimeDirectory({}, "listen", "a"), directory);
  assert.equal(statSync(directory).mode & 0o7777, 0o700);
  for (const mode of [0o750, 0o701, 0o1777]) {
    chmodSync(directory, mode);
    for (const op of ["listen", "dial"] as const) {
      assert.throws(() => runtimeDirectory({}, op, "a"), { code: "UNSAFE_DIRECTORY", message: /chmod go-rwx/ });
    }
  }
});

test("a link in place of the directory for want of a better is refused, and another user's directory", (t) => {
  const { TMPDIR } = process.env;
  t.after(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });
  const root = temporaryDirectory(t);
  process.env.TMPDIR = root;
  mkdirSync(join(root, "mine"), { mode: 0o700 });
  symlinkSync("mine", join(root, `earshot-${us}`));
  if (!require(t, runtimeDirectoryFails("dial"), "this user has a directory in /run/user")) return;
  assert.ok(runtimeDirectoryFails("listen"));

  if (!requireRoot(t)) return;
  process.env.TMPDIR = join(root, "mine");
  const directory = join(root, "mine", `earshot-${us}`);
  mkdirSync(directory, { mode: 0o700 });
  assert.ok(!runtimeDirectoryFails("dial"));
  chownSync(directory, 12345, 12345);
  assert.ok(runtimeDirectoryFails("dial"));
});

function runtimeDirectoryFails(op: "listen" | "dial"): boolean {
  try {
    runtimeDirectory({}, op, "a");
    return false;
  } catch (error) {
    assert.equal((error as { code?: string }).code, "UNSAFE_DIRECTORY");
    return true;
  }
}
