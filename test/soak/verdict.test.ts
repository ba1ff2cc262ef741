import assert from "node:assert/strict";
import { test } from "node:test";
import { plot } from "../../bench/soak/plot.js";
import { flatness, KINDS, type Kind } from "../../bench/soak/verdict.js";

const MIB = 1_048_576;
const FLAT = { descriptors: 40, memoryBytes: 100 * MIB, diskBytes: 2 * MIB };

/** 200 samples, of which one kind grows by so much from one to the next. */
function samples(kind: Kind, step: number) {
  return Array.from({ length: 200 }, (_, index) => ({ ...FLAT, [kind]: FLAT[kind] + Math.floor(index * step) }));
}

test("a soak in which something grows is not flat, and one in which it only warms up or shakes is", () => {
  const leaks = { descriptors: 0.1, memoryBytes: MIB, diskBytes: 0.1 * MIB };
  for (const kind of KINDS) {
    const leak = flatness(samples(kind, leaks[kind]), kind);
    assert.equal(leak.isFlat, false, `${kind}: ${leak.before} to ${leak.after}`);
    const warming = samples(kind, 0).map((measure, index) => (index < 70 ? { ...measure, [kind]: 1 } : measure));
    assert.equal(flatness(warming, kind).isFlat, true, kind);
    const shaking = samples(kind, 0).map((measure, index) => ({
      ...measure,
      [kind]: measure[kind] * (1 + (index % 3)),
    }));
    assert.equal(flatness(shaking, kind).isFlat, true, kind);
  }
});

test("a plot has a line for each process, with a point for each sample, within the picture", () => {
  const series = [
    { name: "server", values: [1, 2, 3] },
    { name: "sender", values: [0, 0, 1_000] },
  ];
  const svg = plot([{ title: "open descriptors", series }], 3, [1.5]);
  const lines = Array.from(svg.matchAll(/<polyline points="([^"]*)"/g), ([, points]) => String(points).split(" "));
  assert.deepEqual(
    lines.map(({ length }) => length),
    [3, 3],
  );
  for (const [x = -1, y = -1] of lines.flat().map((point) => point.split(",").map(Number))) {
    assert.ok(x >= 0 && x <= 900 && y >= 0 && y <= 220, `${x},${y}`);
  }
  for (const text of ["open descriptors", "server", "sender"]) assert.ok(svg.includes(`>${text}</text>`));
});
