/** Views of mapped memory: of each kind that the addon can make. */
import assert from "node:assert/strict";
import { bestView, COUNTED, LOCKED, type Native, UNCOUNTED, type ViewKind } from "../../src/native/binding.js";
import { mappingsOf } from "../support/shared.js";
import { collector, failure, testNative, until } from "./support.js";

const PAGES = 65_536;

function kinds(native: Native): readonly ViewKind[] {
  return native.canBeUncounted ? [COUNTED, UNCOUNTED, LOCKED] : [COUNTED];
}

testNative("a view is of the same memory, and is taken away alone", async (_, native) => {
  const gc = collector();
  await until(gc, () => mappingsOf() === 0);
  for (const kind of kinds(native)) {
    const fd = native.makeMemory(PAGES);
    const all = native.map(fd, PAGES, 100);
    native.close(fd);
    for (let round = 0; round < 3; round++) {
      const view = native.view(all, 10, kind);
      const bytes = new Uint8Array(view);
      Buffer.from(all)[9] = round;
      assert.deepEqual([bytes.length, bytes[9]], [10, round]);
      native.detach(view, kind);
      assert.deepEqual([bytes.length, view.byteLength, all.byteLength], [0, 0, PAGES + 100]);
    }
    for (const bytes of [0, -1, PAGES + 101, 1.5])
      assert.equal(failure(() => native.view(all, bytes, kind)).code, "ERR_INVALID_ARG_TYPE", `${bytes} bytes`);
    const whole = native.view(all, PAGES + 100, kind);
    assert.equal(whole.byteLength, PAGES + 100);
    native.unmap(all);
    assert.equal(mappingsOf(), 1);
    native.detach(whole, kind);
    // What Node counts, it lets go of in a turn of its own.
    if (kind === COUNTED) await until(gc, () => mappingsOf() === 0);
    assert.equal(mappingsOf(), 0);
  }
});

testNative(
  "what is unmapped stays as long as a view of it, until that is taken away or forgotten",
  async (_, native) => {
    const gc = collector();
    for (const kind of kinds(native)) {
      await until(gc, () => mappingsOf() === 0);
      const fd = native.makeMemory(PAGES);
      const [one, other] = [native.map(fd, PAGES, 0), native.map(fd, PAGES, 0)];
      native.close(fd);
      const view = native.view(one, 100, kind);
      const bytes = new Uint8Array(view);
      (() => native.view(other, 100, kind))();
      native.unmap(one);
      native.unmap(other);
      assert.equal(failure(() => native.unmap(one)).code, "EINVAL");
      await until(gc, () => mappingsOf() === 1);
      bytes[99] = 7;
      assert.equal(bytes[99], 7);
      native.detach(view, kind);
      assert.equal(bytes.length, 0);
      await until(gc, () => mappingsOf() === 0);
    }
  },
);

testNative("a view that is forgotten does not keep the next one from being taken away", async (_, native) => {
  const gc = collector();
  for (const kind of kinds(native)) {
    const fd = native.makeMemory(PAGES);
    const all = native.map(fd, PAGES, 0);
    native.close(fd);
    for (let round = 0; round < 20; round++) native.view(all, 100, kind);
    const last = native.view(all, 100, kind);
    gc();
    await new Promise((resolve) => setImmediate(resolve));
    native.detach(last, kind);
    assert.equal(last.byteLength, 0);
    native.unmap(all);
    await until(gc, () => mappingsOf() === 0);
  }
});

testNative("a locked view is detached by nobody else", (_, native) => {
  if (!native.canBeUncounted) return;
  const fd = native.makeMemory(PAGES);
  const all = native.map(fd, PAGES, 0);
  native.close(fd);
  const view = native.view(all, 100, LOCKED) as ArrayBuffer & { transfer?(): ArrayBuffer };
  // Older ones end when such a buffer is to be moved: they get none.
  if (bestView(native) === LOCKED) {
    assert.throws(() => view.transfer?.(), TypeError);
    assert.throws(() => structuredClone(view, { transfer: [view] }), TypeError);
  }
  assert.equal(view.byteLength, 100);
  native.detach(view, LOCKED);
  native.unmap(all);
});

testNative("showing much memory again and again is no reason to collect garbage", async (_, native) => {
  if (bestView(native) === COUNTED) return;
  const bytes = 64 * 1_048_576;
  const fd = native.makeMemory(bytes);
  const all = native.map(fd, bytes, 0);
  native.close(fd);
  const before = process.memoryUsage().external;
  const kept: ArrayBuffer[] = [];
  for (let round = 0; round < 50; round++) kept.push(native.view(all, bytes, bestView(native)));
  assert.ok(process.memoryUsage().external - before < bytes, "views are counted");
  for (const view of kept) native.detach(view, bestView(native));
  native.unmap(all);
});
