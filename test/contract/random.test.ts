import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { connect, contract, type ProcedureTree, procedure, serve, type } from "../../src/contract/index.js";
import { temporaryDirectory } from "../support/temp.js";
import { all } from "./support.js";
import { carried, comparable } from "./values.js";

/** How many contracts; each is served on a socket of its own. */
const RUNS = Math.ceil(Number(process.env.EARSHOT_FUZZ_RUNS ?? 10_000) / 400);

const value = type<unknown>();
const KINDS = {
  unary: procedure({ input: value, output: value }),
  server: procedure({ input: value, yields: value }),
  client: procedure({ accepts: value, output: value }),
  both: procedure({ input: value, accepts: value, yields: value }),
};
type Kind = keyof typeof KINDS;

/** What each kind does with what it gets: sends it back. */
const HANDLERS: Readonly<Record<Kind, (...args: never[]) => unknown>> = {
  unary: (input: unknown) => input,
  server: (input: unknown) => [input, input],
  client: async (items: AsyncIterable<unknown>) => await all(items),
  both: async function* (input: unknown, items: AsyncIterable<unknown>) {
    yield input;
    yield* items;
  },
};

type Tree = { readonly [name: string]: Kind | Tree };

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,12}$/).filter((text) => !(text in {}) && text !== "then");
const trees = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.dictionary(
    name,
    fc.oneof({ maxDepth: 3 }, fc.constantFrom(...(Object.keys(KINDS) as Kind[])), tie("tree")),
    {
      maxKeys: 6,
      noNullPrototype: true,
    },
  ) as fc.Arbitrary<Tree>,
})).tree;

function mapTree(tree: Tree, leaf: (kind: Kind) => unknown): Record<string, unknown> {
  const mapped = Object.entries(tree).map(([key, entry]) => [
    key,
    typeof entry === "string" ? leaf(entry) : mapTree(entry, leaf),
  ]);
  return Object.fromEntries(mapped);
}

type AnyCall = (...args: unknown[]) => Promise<unknown> & AsyncIterable<unknown>;

/** Calls every procedure of a tree, and expects what its handler sends back. */
async function callAll(tree: Tree, api: Readonly<Record<string, unknown>>, input: unknown): Promise<void> {
  const expectEqual = (actual: unknown, expected: unknown) =>
    assert.deepStrictEqual(comparable(actual), comparable(expected));
  for (const [key, kind] of Object.entries(tree)) {
    const call = api[key] as AnyCall;
    if (typeof kind !== "string") await callAll(kind, api[key] as Readonly<Record<string, unknown>>, input);
    else if (kind === "unary") expectEqual(await call(input), input);
    else if (kind === "server") expectEqual(await all(call(input)), [input, input]);
    else if (kind === "client") expectEqual(await call([input, 1, input]), [input, 1, input]);
    else expectEqual(await all(call(input, [1, input])), [input, 1, input]);
  }
}

const LIMIT = { timeout: 600_000 + RUNS * 100 };

test(`${RUNS} random contracts, and every procedure of them with a random value`, LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const property = fc.asyncProperty(trees, carried, async (tree, input) => {
    const random = contract("random", "1.0.0", mapTree(tree, (kind) => KINDS[kind]) as ProcedureTree);
    const handlers = mapTree(tree, (kind) => HANDLERS[kind]);
    const server = await serve(join(directory, "s"), random, handlers as never);
    const api = await connect(server.address, random);
    try {
      await callAll(tree, api as unknown as Readonly<Record<string, unknown>>, input);
    } finally {
      await api[Symbol.asyncDispose]();
      await server.close();
    }
  });
  await fc.assert(property, { numRuns: RUNS });
});
