// Checked by `npm run types`: what is inferred, and what must not be accepted. Nothing here runs.
import { type as ark } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  connect,
  contract,
  isError,
  middleware,
  type Procedure,
  procedure,
  type Stream,
  serve,
  type,
} from "../../src/contract/index.js";
import type { EarshotError } from "../../src/index.js";

/** Exactly the same type, `any` and optional members included. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function expectType<Expected>(): <Actual>(
  value: Actual,
  ...same: Same<Actual, Expected> extends true ? [] : [never]
) => void;

const weather = contract("weather", "1.4.0", {
  forecast: procedure({
    input: z.object({ city: z.string(), day: z.string().transform(Number) }),
    output: z.object({ celsius: z.number(), at: z.string().transform((text) => new Date(text)) }),
    errors: { UnknownCity: z.object({ city: z.string() }), Busy: type<undefined>() },
  }),
  watch: procedure({ input: v.string(), yields: v.object({ celsius: v.number() }) }),
  upload: procedure({ accepts: ark({ bytes: "number" }), output: type<{ total: number }>() }),
  chat: procedure({ accepts: z.string(), yields: z.string() }),
  tagged: procedure({ input: z.number(), accepts: z.string(), yields: z.string() }),
  maybe: procedure({ input: z.string().optional(), output: z.number() }),
  nothing: procedure({}),
  admin: { users: { list: procedure({ output: z.array(z.string()) }) } },
});

export async function callers(): Promise<void> {
  const api = await connect("x", weather, { timeoutMs: 1, codec: "json" });
  // The caller gives what goes into a schema, and gets what comes out of one.
  expectType<{ celsius: number; at: Date }>()(await api.forecast({ city: "Riga", day: "1" }));
  expectType<Stream<{ celsius: number }>>()(api.watch("Riga", { headers: { a: "b" } }));
  expectType<{ total: number }>()(await api.upload([{ bytes: 1 }], { timeoutMs: 5 }));
  expectType<Stream<string>>()(
    api.chat(
      (async function* () {
        yield "a";
      })(),
    ),
  );
  expectType<Stream<string>>()(api.tagged(1, ["a"], { signal: AbortSignal.timeout(1) }));
  expectType<number>()(await api.maybe());
  expectType<number>()(await api.maybe("a", { timeoutMs: 1 }));
  expectType<void>()(await api.nothing());
  expectType<string[]>()(await api.admin.users.list({ timeoutMs: 1 }));
  for await (const { celsius } of api.watch("Riga")) expectType<number>()(celsius);

  // @ts-expect-error the input is what goes into the schema
  await api.forecast({ city: "Riga", day: 1 });
  // @ts-expect-error an input that is needed
  await api.forecast();
  // @ts-expect-error no input
  await api.nothing({ city: "Riga" });
  // @ts-expect-error items of another type
  await api.upload([{ bytes: "many" }]);
  // @ts-expect-error items are an iterable
  api.chat("a", 5, {});
  // @ts-expect-error the input comes before the items
  api.tagged(["a"], 1);
  // @ts-expect-error a stream is no promise
  (await api.watch("Riga")).celsius;
  // @ts-expect-error there is no such procedure
  await api.forcast({ city: "Riga", day: "1" });
  // @ts-expect-error nor in a group
  await api.admin.users.remove();
  // @ts-expect-error headers are texts
  await api.nothing({ headers: { a: 1 } });
  // @ts-expect-error only these codecs
  await connect("x", weather, { codec: "xml" });
}

export async function servers(): Promise<void> {
  const signedIn = middleware(async (_call, next) => await next({ user: { id: 1 } }));
  const log = middleware(async (_call, next) => {
    const result = await next();
    return result;
  });
  await serve(
    "x",
    weather,
    {
      // The handler gets what comes out of a schema, and gives what goes into one.
      forecast: async (input, context) => {
        expectType<{ city: string; day: number }>()(input);
        expectType<string>()(context.procedure);
        expectType<AbortSignal>()(context.signal);
        expectType<number>()(context.user.id);
        expectType<number | undefined>()(context.timeLeftMs);
        expectType<EarshotError>()(context.errors.UnknownCity({ city: "Riga" }));
        // @ts-expect-error another type of data
        context.errors.UnknownCity({ town: "Riga" });
        // @ts-expect-error an error that is not declared
        context.errors.Unknown();
        // @ts-expect-error nobody adds this
        context.session;
        if (input.day > 5) throw context.errors.Busy();
        return { celsius: 1, at: "2026-01-01" };
      },
      async *watch(city, { signal }) {
        expectType<string>()(city);
        if (!signal.aborted) yield { celsius: 1 };
      },
      upload: async (chunks) => {
        let total = 0;
        for await (const { bytes } of chunks) total += bytes;
        return { total };
      },
      chat: (lines, { user }) => {
        expectType<number>()(user.id);
        return lines;
      },
      async *tagged(tag, lines) {
        for await (const line of lines) yield line + tag.toFixed();
      },
      maybe: (text) => {
        expectType<string | undefined>()(text);
        return text?.length ?? 0;
      },
      nothing: ({ headers }) => void headers,
      admin: { users: { list: () => ["ada"] } },
    },
    { middleware: [log, signedIn] },
  );

  const one = contract("one", "1.0.0", {
    a: procedure({ input: type<string>(), output: type<number>() }),
    b: { c: procedure({ yields: type<number>() }) },
  });
  await serve("x", one, { a: (text) => text.length, b: { c: () => [1] } });
  // @ts-expect-error a handler is missing
  await serve("x", one, { a: (text) => text.length });
  // @ts-expect-error a handler is missing in a group
  await serve("x", one, { a: (text) => text.length, b: {} });
  // @ts-expect-error there is no such procedure
  await serve("x", one, { a: (text) => text.length, b: { c: () => [1] }, d: () => 1 });
  // @ts-expect-error another type of output
  await serve("x", one, { a: (text) => text, b: { c: () => [1] } });
  // @ts-expect-error another type of item
  await serve("x", one, { a: (text) => text.length, b: { c: () => ["1"] } });
  // @ts-expect-error a stream yields
  await serve("x", one, { a: (text) => text.length, b: { c: () => 1 } });
  // @ts-expect-error without middleware there is no user
  await serve("x", one, { a: (_text, { user }) => user.id, b: { c: () => [1] } });
}

export function errors(error: unknown): void {
  if (isError(weather.forecast, error, "UnknownCity")) {
    expectType<{ city: string }>()(error.data);
    expectType<"UnknownCity">()(error.remoteCode);
    expectType<"PROCEDURE_FAILED">()(error.code);
  }
  if (isError(weather.forecast, error)) {
    if (error.remoteCode === "UnknownCity") expectType<{ city: string }>()(error.data);
    else expectType<undefined>()(error.data);
  }
  // @ts-expect-error an error that is not declared
  isError(weather.forecast, error, "Unknown");
  // @ts-expect-error this procedure declares none
  isError(weather.chat, error, "UnknownCity");
}

export function contracts(): void {
  // @ts-expect-error a part that there is not
  procedure({ inputs: z.string() });
  // @ts-expect-error no schema
  procedure({ input: "string" });
  // @ts-expect-error no procedure
  contract("a", "1.0.0", { b: z.string() });
  const made: Procedure = procedure({ input: z.string() });
  expectType<"unary" | "server stream" | "client stream" | "bidirectional">()(made.kind);
}
