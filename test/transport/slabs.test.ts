import assert from "node:assert/strict";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { F_SEAL_GROW, F_SEAL_SHRINK, loadNative, type Native, SOCK_STREAM } from "../../src/native/binding.js";
import { Slabs } from "../../src/transport/slabs.js";
import { mappingsOf, socketsOf } from "../support/shared.js";
import { require as requires } from "../support/tools.js";

const loaded = loadNative();
const SIZE = 65_536;

/** @param wrong what of the addon is another */
function slabsWith(t: Parameters<typeof requires>[0], wrong: Partial<Native> = {}): { slabs: Slabs; native: Native } {
  const native = "native" in loaded ? loaded.native : undefined;
  requires(t, native !== undefined, "there is no addon");
  if (native === undefined) return { slabs: new Slabs(wrong as Native), native: wrong as Native };
  const names = [
    "makeMemory",
    "addSeals",
    "seals",
    "map",
    "canBeUncounted",
    "view",
    "detach",
    "unmap",
    "close",
  ] as const;
  const own = Object.fromEntries(names.map((name) => [name, native[name]]));
  return { slabs: new Slabs({ ...own, ...wrong } as Native), native };
}

const isThere = "native" in loaded;

test("both sides of a slab see the same memory; each shows it, hides it and lets it go alone", {
  skip: !isThere,
}, (t) => {
  const { slabs } = slabsWith(t);
  const before = [mappingsOf(), socketsOf()];
  let gone = 0;
  const { slab, descriptor } = slabs.make(SIZE, () => gone++);
  const other = slabs.open(descriptor);
  assert.deepEqual([slab.bytes.length, other.bytes.length], [SIZE, SIZE]);
  const shown = slab.show(100, () => {});
  shown[99] = 7;
  assert.equal(other.bytes[99], 7);
  const read = other.show(100, () => {});
  slab.hide(shown);
  assert.deepEqual([shown.length, read[99]], [0, 7]);
  slab.release();
  slab.release();
  assert.equal(gone, 1);
  other.release();
  assert.deepEqual([read[99], mappingsOf()], [7, (before[0] ?? 0) + 1]);
  other.hide(read);
  assert.deepEqual([read.length, mappingsOf(), socketsOf()], [0, ...before]);
});

test("a slab whose side has let it go is counted until nothing of it is shown", { skip: !isThere }, (t) => {
  const { slabs } = slabsWith(t);
  let gone = 0;
  const { slab, descriptor } = slabs.make(SIZE, () => gone++);
  slabs.close(descriptor);
  const shown = slab.show(SIZE, () => {});
  slab.release();
  assert.equal(gone, 0);
  slab.hide(shown);
  assert.equal(gone, 1);
});

test("what is no slab is refused, and closed", { skip: !isThere }, (t) => {
  const { slabs, native } = slabsWith(t);
  const before = [mappingsOf(), socketsOf()];
  const sealed = (bytes: number, seals: number): number => {
    const fd = native.makeMemory(bytes);
    native.addSeals(fd, seals);
    return fd;
  };
  const directory = mkdtempSync(join(tmpdir(), "e-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const cases: readonly (readonly [string, () => number, RegExp])[] = [
    ["a socket", () => native.socket(SOCK_STREAM), /a slab that is no memory/],
    ["a file", () => native.adopt(openSync(join(directory, "f"), "w")), /that is no memory|could become smaller/],
    ["memory without seals", () => native.makeMemory(SIZE), /could become smaller/],
    ["memory that may shrink", () => sealed(SIZE, F_SEAL_GROW), /could become smaller/],
    ["a page", () => sealed(4_096, F_SEAL_SHRINK), /a slab of 4096 bytes/],
    ["no power of two", () => sealed(SIZE + 4_096, F_SEAL_SHRINK), /a slab of 69632 bytes/],
    ["what nobody may write", () => sealed(SIZE, F_SEAL_SHRINK | 8), /cannot be mapped/],
  ];
  for (const [why, make, fact] of cases) {
    assert.throws(() => slabs.open(make()), { name: "EarshotError", message: fact }, why);
    assert.deepEqual([mappingsOf(), socketsOf()], before, why);
  }
});

test("where memory cannot be shown there are no slabs, and nothing of the attempt stays", { skip: !isThere }, (t) => {
  const before = [mappingsOf(), socketsOf()];
  const refuse = () => {
    throw Object.assign(new Error("external buffers are not allowed"), { code: "ENOTSUP", syscall: "mmap" });
  };
  const { slabs } = slabsWith(t, { map: refuse });
  assert.equal(slabs.isPossible, false);
  assert.throws(() => slabs.make(SIZE, () => {}), { code: "ENOTSUP" });
  assert.equal(slabsWith(t).slabs.isPossible, true);
  assert.deepEqual([mappingsOf(), socketsOf()], before);
});
