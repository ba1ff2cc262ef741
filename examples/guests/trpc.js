// tRPC over earshot. A call is a message and its answer a reply, bit by bit: a line for each result. So a call that is
// aborted stops at the server, a subscription is held back to what is read of it, and calls do not wait for each other.
//
//   npm install @trpc/server @trpc/client zod
//   node examples/guests/trpc.js
// @ts-check
import { createTRPCClient, TRPCClientError } from "@trpc/client";
import { callTRPCProcedure, getErrorShape, getTRPCErrorFromUnknown, initTRPC, TRPCError } from "@trpc/server";
import { observable } from "@trpc/server/observable";
import { dial, listen } from "earshot";
import { z } from "zod";

/** Serves a router. Procedures get earshot's context: `ctx.peer`. @param {string} address @param {Router} router */
export function serve(address, router) {
  return listen(address, (message, context) => answer(router, /** @type {Call} */ (message.json()), context));
}

/** @typedef {import("@trpc/server").AnyTRPCRouter} Router */
/** @typedef {{ type: import("@trpc/server").TRPCProcedureType, path: string, input: unknown }} Call */

/** @param {Router} router @param {Call} call @param {import("earshot").Context} ctx */
async function* answer(router, { type, path, input }, ctx) {
  const { signal } = ctx;
  try {
    const getRawInput = async () => input;
    const data = await callTRPCProcedure({ router, type, path, getRawInput, ctx, signal, batchIndex: 0 });
    if (type !== "subscription") yield toLine({ data });
    else for await (const item of data) yield toLine({ data: item });
  } catch (cause) {
    const error = getTRPCErrorFromUnknown(cause);
    yield toLine({ error: getErrorShape({ config: router._def._config, error, type, path, input, ctx }) });
  }
}

const toLine = (/** @type {object} */ result) => `${JSON.stringify(result)}\n`;

/**
 * A terminating link.
 *
 * @template {Router} T
 * @param {import("earshot").Client} client
 * @returns {import("@trpc/client").TRPCLink<T>}
 */
export function earshotLink(client) {
  return () =>
    ({ op: { type, path, input, signal } }) =>
      observable((observer) => {
        const left = new AbortController();
        const call = async () => {
          const until = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
          const reply = await client.send(JSON.stringify({ type, path, input }), { signal: until, body: "stream" });
          for await (const line of linesOf(reply.body)) {
            const result = JSON.parse(line);
            if ("error" in result) throw result;
            observer.next({ result: { type: "data", data: result.data } });
          }
        };
        call().then(observer.complete, (cause) => observer.error(TRPCClientError.from(cause)));
        return () => left.abort();
      });
}

/** @param {AsyncIterable<Uint8Array>} body */
async function* linesOf(body) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    const [first, ...others] = decoder.decode(bytes, { stream: true }).split("\n");
    rest += first;
    for (const other of others) {
      yield rest;
      rest = other;
    }
  }
}

function makeRouter() {
  const { procedure, router } = initTRPC.create();
  /** @type {string[]} */
  const notes = [];
  return router({
    add: procedure.input(z.string()).mutation(({ input }) => notes.push(input)),
    note: procedure.input(z.number()).query(({ input }) => {
      const text = notes[input - 1];
      if (text === undefined) throw new TRPCError({ code: "NOT_FOUND", message: `there is no note ${input}` });
      return text;
    }),
    countdown: procedure.input(z.number()).subscription(async function* ({ input }) {
      for (let count = input; count > 0; count--) yield count;
    }),
    wait: procedure.query(({ signal }) => {
      return new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    }),
  });
}

async function main(address = "trpc") {
  const router = makeRouter();
  const server = await serve(address, router);
  const client = await dial(address);
  /** @type {import("@trpc/client").TRPCClient<typeof router>} */
  const trpc = createTRPCClient({ links: [earshotLink(client)] });

  console.log(`note ${await trpc.add.mutate("buy milk")}`);
  console.log(await trpc.note.query(1));
  await trpc.note.query(2).catch((error) => console.log(`${error.data.code}: ${error.message}`));
  await new Promise((resolve, reject) => {
    trpc.countdown.subscribe(3, { onData: console.log, onComplete: () => resolve(undefined), onError: reject });
  });
  const signal = AbortSignal.timeout(10);
  await trpc.wait.query(undefined, { signal }).catch((error) => console.log(error.message));

  await client.close();
  await server.close();
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
