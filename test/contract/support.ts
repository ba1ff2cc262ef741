import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  type Api,
  type ConnectOptions,
  type Contract,
  clientOf,
  connect,
  contract,
  type Middleware,
  procedure,
  type ServeOptions,
  serve,
  type as typeOnly,
} from "../../src/contract/index.js";
import type { AddedBy } from "../../src/contract/middleware.js";
import type { Handlers } from "../../src/contract/types.js";
import { EarshotError, type Server } from "../../src/index.js";
import { temporaryDirectory } from "../support/temp.js";

type Test = Pick<TestContext, "after">;

/** A procedure of each kind, and each of the validators. */
export const weather = contract("weather", "1.4.0", {
  forecast: procedure({
    input: z.object({ city: z.string() }),
    output: z.object({ celsius: z.number() }),
    errors: { UnknownCity: z.object({ city: z.string() }), Busy: typeOnly<undefined>() },
    summary: "How warm it will be.",
  }),
  watch: procedure({ input: v.string(), yields: v.object({ celsius: v.number() }), errors: { Gone: v.number() } }),
  upload: procedure({ accepts: type({ bytes: "number" }), output: typeOnly<{ total: number }>() }),
  chat: procedure({ accepts: z.string(), yields: z.string() }),
  tagged: procedure({ input: z.number(), accepts: z.string(), yields: z.string() }),
  admin: { users: { list: procedure({ output: z.array(z.string()) }) } },
});

export type Weather = typeof weather;

export async function* none(): AsyncGenerator<never> {}

/** Handlers that are not asked for in a test. */
export const unused: Handlers<Weather> = {
  forecast: () => assert.fail("not asked for"),
  watch: none,
  upload: () => assert.fail("not asked for"),
  chat: none,
  tagged: none,
  admin: { users: { list: () => [] } },
};

/** A server of its own, cut after the test. */
export async function serving<C extends Contract, const M extends readonly Middleware[] = []>(
  t: Test,
  served: C,
  handlers: Handlers<C, AddedBy<M>>,
  options: ServeOptions<M> = {},
): Promise<Server> {
  const server = await serve(join(temporaryDirectory(t), "s"), served, handlers, options);
  t.after(async () => {
    void server.close();
    await server.close();
  });
  return server;
}

/** An api of its own, cut after the test. */
export async function calling<C extends Contract>(
  t: Test,
  { address }: { readonly address: string },
  called: C,
  options?: ConnectOptions,
): Promise<Api<C>> {
  const api = await connect(address, called, options);
  t.after(async () => {
    void clientOf(api).close();
    await clientOf(api).close();
  });
  return api;
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<EarshotError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof EarshotError, String(error));
    return error;
  }
  assert.fail("it did not reject");
}

/** All items of a stream. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** A promise, and what settles it. */
export function later<T = void>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
