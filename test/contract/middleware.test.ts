import assert from "node:assert/strict";
import { test } from "node:test";
import { middleware } from "../../src/contract/index.js";
import { MemoryLogger } from "../support/logger.js";
import { all, calling, rejection, serving, unused, weather } from "./support.js";

test("middleware runs around every kind of call, the first outermost, and adds to the context", async (t) => {
  const seen: string[] = [];
  const log = middleware(async (call, next) => {
    seen.push(`> ${call.procedure}`);
    const result = await next();
    seen.push(`< ${call.procedure}`);
    return result;
  });
  const user = middleware(async (_call, next) => await next({ user: { name: "ada" } }));
  const server = await serving(
    t,
    weather,
    {
      ...unused,
      admin: { users: { list: ({ user }) => [user.name, String(seen.push("list"))] } },
      async *watch(_city, { user }) {
        yield { celsius: user.name.length };
        seen.push("watched");
      },
    },
    { middleware: [log, user] },
  );
  const api = await calling(t, server, weather);
  assert.deepEqual(await api.admin.users.list(), ["ada", "2"]);
  assert.deepEqual(await all(api.watch("Riga")), [{ celsius: 3 }]);
  const list = ["> admin.users.list", "list", "< admin.users.list"];
  assert.deepEqual(seen, [...list, "> watch", "watched", "< watch"]);
});

test("middleware refuses callers by their credentials, and they hear why", async (t) => {
  const logger = new MemoryLogger();
  const rootOnly = middleware(async (call, next) => {
    if (call.procedure.startsWith("admin.")) throw call.refuse(`only root may call ${call.procedure}`);
    assert.equal(typeof (call.peer.credentials?.uid ?? 0), "number");
    return await next();
  });
  const server = await serving(t, weather, { ...unused, watch: () => [] }, { middleware: [rootOnly], logger });
  const api = await calling(t, server, weather);
  const error = await rejection(api.admin.users.list());
  assert.equal(error.code, "PEER_REFUSED");
  assert.match(error.message, /only root may call admin\.users\.list$/);
  assert.deepEqual(await all(api.watch("Riga")), []);
  assert.equal(logger.at().length, 0);
});

test("middleware that does not wait for the call keeps what is thrown to itself, and the server goes on", async (t) => {
  const hasty = middleware(async (_call, next) => {
    void next();
    throw new Error("no time");
  });
  const logger = new MemoryLogger();
  const failing = { users: { list: () => Promise.reject(new Error("late")) } };
  const server = await serving(t, weather, { ...unused, admin: failing }, { middleware: [hasty], logger });
  const api = await calling(t, server, weather);
  assert.equal((await rejection(api.admin.users.list())).code, "HANDLER_FAILED");
  assert.equal((await rejection(api.admin.users.list())).code, "HANDLER_FAILED");
});

test("what is wrong with another server's reply is not told to who called the handler", async (t) => {
  const inner = await serving(
    t,
    weather,
    { ...unused, forecast: () => ({ celsius: "hot" }) as never },
    { validate: false },
  );
  const innerApi = await calling(t, inner, weather);
  const outer = await serving(t, weather, { ...unused, forecast: (input) => innerApi.forecast(input) });
  const api = await calling(t, outer, weather);
  assert.equal((await rejection(innerApi.forecast({ city: "Riga" }))).code, "INVALID_OUTPUT");
  const error = await rejection(api.forecast({ city: "Riga" }));
  assert.deepEqual([error.code, error.issues, /celsius/.test(error.message)], ["HANDLER_FAILED", undefined, false]);
});

test("middleware sees what the handler throws, and may throw instead", async (t) => {
  const caught: unknown[] = [];
  const watchful = middleware(async (_call, next) => {
    try {
      return await next();
    } catch (error) {
      caught.push(error);
      throw error;
    }
  });
  const server = await serving(
    t,
    weather,
    {
      ...unused,
      forecast: (_input, { errors }) => {
        throw errors.Busy();
      },
    },
    { middleware: [watchful] },
  );
  const error = await rejection((await calling(t, server, weather)).forecast({ city: "Riga" }));
  assert.deepEqual([error.remoteCode, caught.length], ["Busy", 1]);
});

test("middleware that neither goes on nor throws, goes on twice, or takes a name that is taken, fails the call", async (t) => {
  for (const [wrong, expected] of [
    [middleware(async () => ({})), /neither called next nor thrown/],
    [middleware(async (_call, next) => [await next(), await next()] as never), /called next twice/],
    [middleware(async (_call, next) => await next({ signal: 1 })), /Cannot add "signal" to the context/],
    [middleware(async (_call, next) => await next().catch(() => ({}))), /has kept what was thrown to itself/],
  ] as const) {
    const logger = new MemoryLogger();
    const handlers = {
      ...unused,
      admin: {
        users: {
          list: () => {
            throw new Error("handler");
          },
        },
      },
    };
    const working = /handler|itself/.test(expected.source) ? handlers : unused;
    const server = await serving(t, weather, working as typeof unused, { middleware: [wrong], logger });
    const error = await rejection((await calling(t, server, weather)).admin.users.list());
    assert.equal(error.code, "HANDLER_FAILED");
    assert.match(String(logger.at("error")[0]?.error?.message), expected);
  }
});
