import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matches, patternObjection, tokensOf, topicObjection } from "../../src/peer/topic.js";
import { TopicTree } from "../../src/peer/topic-tree.js";

const token = fc.constantFrom("a", "b", "ä", "long-token");
const topics = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join("."));
const patterns = fc
  .tuple(fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 4 }), fc.constantFrom("a", "*", ">"))
  .map(([tokens, last]) => [...tokens, last].join("."));

test("* is one token, and > one or more at the end", () => {
  const cases: readonly [string, string, boolean][] = [
    ["a", "a", true],
    ["a", "a.b", false],
    ["*", "a", true],
    ["*", "a.b", false],
    ["*.b", "a.b", true],
    [">", "a", true],
    [">", "a.b.c", true],
    ["a.>", "a", false],
    ["a.>", "a.b", true],
    ["a.>", "a.b.c", true],
    ["a.*.>", "a.b", false],
    ["a.*.>", "a.b.c", true],
  ];
  for (const [pattern, topic, expected] of cases) {
    const tree = new TopicTree<number>();
    tree.add(pattern, 1);
    assert.deepEqual(tree.find(topic), expected ? [1] : [], `${pattern} and ${topic}`);
    assert.equal(matches(tokensOf(pattern), tokensOf(topic)), expected, `${pattern} and ${topic}`);
  }
});

test("a tree finds what asking every pattern finds, whatever was added and deleted", () => {
  const steps = fc.array(fc.tuple(patterns, fc.nat(3), fc.boolean()), { maxLength: 60 });
  const property = fc.property(steps, fc.array(topics, { maxLength: 8 }), (changes, asked) => {
    const tree = new TopicTree<string>();
    const there = new Set<string>();
    for (const [pattern, number, isAdded] of changes) {
      assert.equal(patternObjection(pattern), undefined);
      const value = `${pattern} ${number}`;
      if (isAdded) {
        tree.add(pattern, value);
        there.add(value);
      } else {
        tree.delete(pattern, value);
        there.delete(value);
      }
    }
    for (const topic of asked) {
      assert.equal(topicObjection(topic), undefined);
      const expected = [...there].filter((value) => matches(tokensOf(value.split(" ")[0] ?? ""), tokensOf(topic)));
      assert.deepEqual(tree.find(topic).sort(), expected.sort());
    }
  });
  fc.assert(property, { numRuns: 500 });
});

test("a tree with tens of thousands of patterns looks at few of them", () => {
  const tree = new TopicTree<number>();
  for (let index = 0; index < 50_000; index++) tree.add(`jobs.${index}.done`, index);
  tree.add("jobs.*.done", -1);
  const startedAt = performance.now();
  for (let index = 0; index < 10_000; index++) assert.deepEqual(tree.find(`jobs.${index}.done`), [index, -1]);
  // Asking each pattern would be half a billion comparisons.
  assert.ok(performance.now() - startedAt < 5_000);
});

test("255 bytes are a topic, and one more is none", () => {
  assert.equal(topicObjection("x".repeat(255)), undefined);
  assert.match(topicObjection("x".repeat(256)) ?? "", /more than 255 bytes/);
  assert.match(topicObjection("ä".repeat(128)) ?? "", /more than 255 bytes/);
});
