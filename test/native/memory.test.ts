/** Memory that processes share: what the addon makes, maps, looks at and lets go. */
import assert from "node:assert/strict";
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  COUNTED,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  LOOK,
  type Native,
  OVER,
  READABLE,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../../src/native/binding.js";
import { sharedPoller } from "../../src/transport/poller.js";
import { makeLink, openLink } from "../../src/transport/shared-memory.js";
import { mappingsOf } from "../support/shared.js";
import { collector, descriptors, failure, openedSince, ours, testNative, until } from "./support.js";

const PAGES = 65_536;

function memory(t: TestContext, native: Native, bytes = PAGES): number {
  return ours(t, native, native.makeMemory(bytes));
}

testNative("memory has its size from the first, all zero, and two mappings of it are one", (t, native) => {
  const fd = memory(t, native);
  assert.equal(fstatSync(fd).size, PAGES);
  assert.equal(fstatSync(fd).blocks * 512, PAGES, "not all of it is there");
  const [one, other] = [native.map(fd, PAGES, 100), native.map(fd, PAGES, 0)];
  assert.deepEqual([one.byteLength, other.byteLength], [PAGES + 100, PAGES]);
  assert.equal(
    Buffer.from(one).every((byte) => byte === 0),
    true,
  );
  Buffer.from(one).fill(7);
  assert.equal(
    Buffer.from(other).every((byte) => byte === 7),
    true,
  );
  native.unmap(one);
  native.unmap(other);
});

testNative("all of it is there, of whatever size", (t, native) => {
  for (const bytes of [PAGES + 1_048_576, 3 * 1_048_576, 1_048_577]) {
    const { size, blocks } = fstatSync(memory(t, native, bytes));
    assert.equal(size, bytes);
    assert.ok(blocks * 512 >= bytes, `${blocks} blocks of ${bytes} bytes`);
  }
});

testNative("it stays mapped when its descriptor is closed, until it is unmapped; then views are empty", (_, native) => {
  const before = mappingsOf();
  const fd = native.makeMemory(PAGES);
  const buffer = native.map(fd, PAGES, 0);
  native.close(fd);
  const view = Buffer.from(buffer);
  view[5] = 1;
  assert.deepEqual([view[5], mappingsOf()], [1, before + 1]);
  native.unmap(buffer);
  assert.deepEqual([view.length, view[5], buffer.byteLength, mappingsOf()], [0, undefined, 0, before]);
  assert.deepEqual(
    failure(() => native.unmap(buffer)),
    { code: "EINVAL", syscall: "munmap" },
  );
});

testNative("seals keep it as it is, and tell it from other files", (t, native) => {
  const fd = memory(t, native);
  native.addSeals(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  assert.equal(native.seals(fd) & 7, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  assert.deepEqual(
    failure(() => native.addSeals(fd, F_SEAL_SHRINK)),
    { code: "EPERM", syscall: "fcntl" },
  );
  const directory = mkdtempSync(join(tmpdir(), "e-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = openSync(join(directory, "f"), "w");
  t.after(() => closeSync(file));
  const socket = ours(t, native, native.socket(SOCK_STREAM));
  assert.equal(failure(() => native.seals(socket)).syscall, "fcntl");
});

testNative("wrong arguments are refused, and leave nothing", (_, native) => {
  const before = [descriptors(), mappingsOf()] as const;
  const fd = native.makeMemory(PAGES);
  const all = native.map(fd, PAGES, 0);
  for (const call of [
    () => native.makeMemory(-1),
    () => native.makeMemory("1" as never),
    () => native.map(fd, 100, 0),
    () => native.map(fd, 0, 0),
    () => native.map(fd, PAGES, -1),
    () => native.map(9_999, PAGES, 0),
    () => native.unmap(new ArrayBuffer(8)),
    () => native.unmap(Buffer.alloc(8) as never),
    () => native.view(new ArrayBuffer(8), 8, COUNTED),
    () => native.view("1" as never, 8, COUNTED),
    () => native.view(all, 8, 3 as never),
    () => native.view(all, 8, undefined as never),
    () => native.detach(new ArrayBuffer(8), 3 as never),
    () => native.detach(Buffer.alloc(8) as never, COUNTED),
    () => native.lookAt(fd, new Int32Array(8), 0, 1),
    () => native.lookAt(fd, new Int32Array(8), 0, 8),
    () => native.lookAt(9_999, new Int32Array(8), 0, 1),
    () => native.lookSoon(fd, 0),
    () => native.socketPair(77),
  ])
    assert.notDeepEqual(failure(call), {}, String(call));
  native.unmap(all);
  native.close(fd);
  assert.deepEqual([openedSince(before[0]), mappingsOf()], [[], before[1]]);
});

testNative("memory that nobody knows any more is unmapped by itself", async (_, native) => {
  const gc = collector();
  const before = mappingsOf();
  const fd = native.makeMemory(PAGES);
  for (let count = 0; count < 10; count++) native.map(fd, PAGES, 0);
  native.close(fd);
  await until(gc, () => mappingsOf() <= before);
});

testNative("who looks at words is called when they differ, and told when nobody looks any more", async (t, native) => {
  const poller = sharedPoller();
  if ("missing" in poller) return;
  const { poller: own } = poller;
  const fd = memory(t, own.native);
  const words = new Int32Array(own.native.map(fd, PAGES, 0), 0, 16);
  const [near, far] = own.native.socketPair(SOCK_SEQPACKET);
  t.after(() => own.close(near));
  ours(t, native, far);
  const seen: number[] = [];
  const done = new Promise<void>((resolve) => {
    const onReady = (events: number) => {
      seen.push(events);
      // At first there is nothing; then, told that nobody looks any more, it wants to look again, and there is.
      if (seen.length === 2) words[0] = 1;
      if (seen.length < 3) return 200;
      words[1] = 1;
      resolve();
      return 0;
    };
    own.watch(near, { onReady }, READABLE);
  });
  own.native.lookAt(near, words, 0, 1);
  own.native.lookSoon(near, 0);
  await done;
  assert.deepEqual(seen, [LOOK, OVER, LOOK]);
  own.native.unmap(words.buffer as ArrayBuffer);
  // What is unmapped is not looked at.
  own.native.lookSoon(near, 0);
  await new Promise((resolve) => setImmediate(resolve));
});

testNative("only what makeLink has made is taken for a ring, and what is not is closed", (_, native) => {
  const before = [descriptors(), mappingsOf()] as const;
  const sealed = (bytes: number, seals: number) => {
    const fd = native.makeMemory(bytes);
    native.addSeals(fd, seals);
    return fd;
  };
  const enough = 3 * 65_536;
  const cases: readonly (() => number[])[] = [
    () => [],
    () => [sealed(enough, F_SEAL_SHRINK)],
    () => [sealed(enough, F_SEAL_GROW), native.socket(SOCK_SEQPACKET)],
    () => [sealed(enough - 65_536, F_SEAL_SHRINK), native.socket(SOCK_SEQPACKET)],
    () => [sealed(enough, F_SEAL_SHRINK), native.socket(SOCK_STREAM)],
    () => [sealed(enough, F_SEAL_SHRINK), native.makeMemory(100)],
    () => [native.socket(SOCK_SEQPACKET), native.socket(SOCK_SEQPACKET)],
    () => [sealed(enough, F_SEAL_SHRINK), native.socket(SOCK_SEQPACKET), native.socket(SOCK_SEQPACKET)],
  ];
  for (const [index, make] of cases.entries())
    assert.throws(() => openLink(native, 65_536, make()), Error, `case ${index}`);
  for (const ringBytes of [0, 100, 65_537, 134_217_728]) {
    const { link, descriptors: sent } = makeLink(native, 65_536);
    assert.throws(() => openLink(native, ringBytes, sent));
    link.release();
    native.close(link.bell);
  }
  assert.deepEqual([openedSince(before[0]), mappingsOf()], [[], before[1]]);
});
