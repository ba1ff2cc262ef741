import { test } from "node:test";
import fc from "fast-check";
import { type MakeSession, makeFramed, makePlain } from "./pair.js";
import { type Step, StreamsModel } from "./streams-model.js";

const size = fc.oneof(
  { weight: 6, arbitrary: fc.nat(40) },
  { weight: 4, arbitrary: fc.constantFrom(0, 4_095, 4_096, 8_193, 65_535, 65_536, 65_537) },
  { weight: 1, arbitrary: fc.constantFrom(131_073, 300_000, 700_000) },
);
const side = fc.constantFrom("client" as const, "server" as const);
const index = fc.nat();
const kind = <T extends string>(...kinds: readonly T[]) => fc.constantFrom(...kinds);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ kind: kind("send"), size, deadlineMs: fc.nat(2_000), how: fc.nat(3) }) },
  { weight: 22, arbitrary: fc.record({ kind: kind("write"), side, index, size }) },
  { weight: 22, arbitrary: fc.record({ kind: kind("read"), side, index, size }) },
  { weight: 6, arbitrary: fc.record({ kind: kind("end"), side, index, size }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("stop"), side, index, size }) },
  { weight: 14, arbitrary: fc.record({ kind: kind("reply", "stream", "stream"), index, size }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("cancel", "fail"), index, size }) },
  { weight: 30, arbitrary: fc.record({ kind: kind("block", "drain", "flush", "flush", "deliver", "deliver"), side }) },
  {
    weight: 20,
    arbitrary: fc.record({ kind: kind("part"), side, bytes: fc.oneof(fc.nat(40), fc.nat(150_000)) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("close", "lose"), side }) },
  { weight: 5, arbitrary: fc.record({ kind: kind("rest"), side }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("advance"), ms: fc.nat(400) }) },
  { weight: 10, arbitrary: fc.record({ kind: kind("settle") }) },
);

for (const [wire, make, share] of [
  ["framed", makeFramed, 0.8],
  ["plain", makePlain, 0.2],
] as const satisfies readonly (readonly [string, MakeSession, number])[]) {
  test(`whatever happens to ${wire} streams in whatever order, all end rightly, in order, and nothing is kept`, () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: "max" }),
        fc.record({ maxInFlight: fc.integer({ min: 1, max: 6 }), takesStreams: fc.boolean() }),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        (steps, limits, cuts, isLost, readsInto) => {
          const model = new StreamsModel(make, { limits }, cuts, readsInto);
          for (const step of steps) model.run(step);
          model.finish(isLost);
        },
      ),
      { numRuns: Math.ceil(Number(process.env.EARSHOT_RANDOM_RUNS ?? 3_000) * share) },
    );
  });
}
