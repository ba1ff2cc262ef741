import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, normalize, relative, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Left may import right, nothing else; within a room everything. A file in `src/` itself is a room of its own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  cli: ["index", "contract", "outbox"],
  outbox: ["peer", "address", "errors"],
  contract: ["peer", "session", "wire", "message", "errors"],
  index: ["peer", "transport", "wire", "native", "message", "address", "errors"],
  peer: ["session", "transport", "wire", "message", "address", "errors"],
  session: ["wire", "message", "errors"],
  transport: ["native", "address", "errors"],
  native: ["errors"],
  wire: ["errors"],
  message: ["errors"],
  address: ["errors"],
  errors: [],
};

const PURE = ["wire", "session"];
/** What would make bytes-in, frames-out depend on anything else. */
const IMPURE =
  /\b(setTimeout|setInterval|setImmediate|queueMicrotask|process\.|performance|Date\.now|new Date|Math\.random|Promise|async|await|console|globalThis)/;

/** Who has timers and turns of its own, and why. */
const MAY_WAIT: Readonly<Record<string, string>> = {
  "src/cli/exec.ts": "how long a command may run",
  "src/outbox/clock.ts": "when the next attempt comes, and what is delayed or expires",
  "src/outbox/journal.ts": "the end of a turn, when its posts are one transaction",
  "src/outbox/limit.ts": "how long a caller waits for the disk",
  "src/cli/load.ts": "how long a server that is measured may be silent",
  "src/cli/post.ts": "when to look again whether another process has delivered",
  "src/cli/input.ts": "how soon the end of a short message has to come",
  "src/peer/alarm.ts": "the one timer of a connection",
  "src/peer/connection.ts": "the end of a turn",
  "src/peer/plain-channel.ts": "how long a message may wait for its connection",
  "src/peer/time.ts": "the timers of those who are given time",
  "src/peer/notify.ts": "signs of life for the service manager, and when to tell again what its queue had no place for",
  "src/peer/acceptor.ts": "how long closing may take",
  "src/peer/hear-out.ts": "for whom closing still waits",
  "src/contract/item-writer.ts": "the end of a turn, when its items leave",
  "src/peer/client.ts": "how long closing may take",
  "src/transport/dial.ts": "how long dialing may take, and when to try a full queue again",
  "src/transport/net.ts": "a resume that takes effect after a pause",
  "src/transport/unix.ts": "the end of a connection, told in a turn of its own",
  "src/transport/unix-listener.ts": "when to accept again after there was no descriptor left",
  "src/transport/net-listener.ts": "the turns in which the kernel's queue is handed over",
  "src/transport/run.ts": "the rounds among microtasks in which a ring is looked at",
  "src/transport/turn.ts": "when to look again whether another starter is done",
  "src/transport/examine.ts": "how long a server may take to end an empty connection",
  "src/transport/absence.ts": "how long a server that leaves is still heard",
  "src/transport/appearance.ts": "when to look again for what no watcher tells",
  "src/transport/starting.ts":
    "when to look again at a name that others are taking, and the turns in which the rest is told",
  "src/peer/idle-exit.ts": "how long a server may be unused",
  "src/peer/start-daemon.ts": "how long a server may take to start",
  "src/transport/claim.ts": "when to look again at a path that others are taking",
  "src/transport/probe.ts": "how long a server that starts may take to listen",
  "src/transport/memory.ts": "delivery in a turn of its own",
};
const WAITS = /\b(setTimeout|setInterval|setImmediate|queueMicrotask|nextTick)\b/;

const MAX_LINES = 300;

interface SourceFile {
  /** From the root, as `src/wire/frame.ts`. */
  readonly path: string;
  readonly room: string;
  /** Without comments and texts. */
  readonly code: string;
  readonly lines: number;
  readonly imports: readonly string[];
}

function roomOf(path: string): string {
  const [, first = "", second] = path.split("/");
  return second === undefined ? first.replace(/\.ts$/, "") : first;
}

function read(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  const uncommented = text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  const found = uncommented.matchAll(/^(?:import|export)\b[^;"]*?\bfrom "([^"]+)"|\bimport(?:\(| )"([^"]+)"/gm);
  const code = uncommented.replaceAll(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/g, '""');
  const imports = Array.from(found, ([, specifier, other = ""]) => specifier ?? other);
  return { path, room: roomOf(path), code, lines: text.trimEnd().split("\n").length, imports };
}

function filesIn(directory: string): string[] {
  const entries = readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}

/** The file that a relative import means, from the root. */
function target(file: SourceFile, specifier: string): string {
  return normalize(join(dirname(file.path), specifier)).replace(/\.js$/, ".ts");
}

const sources = filesIn("src")
  .filter((path) => path.endsWith(".ts"))
  .map(read);

test("every room imports only what is to its right", () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const allowed = MAY_IMPORT[file.room];
    if (allowed === undefined) wrong.push(`${file.path}: a room that this test does not know`);
    for (const specifier of file.imports.filter((specifier) => specifier.startsWith("."))) {
      const room = roomOf(target(file, specifier));
      if (room !== file.room && allowed?.includes(room) !== true) wrong.push(`${file.path} imports ${specifier}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every relative import names a file that is there, with its extension", () => {
  const wrong = sources.flatMap((file) =>
    file.imports
      .filter((specifier) => specifier.startsWith("."))
      .filter((specifier) => !specifier.endsWith(".js") || !existsSync(join(ROOT, target(file, specifier))))
      .map((specifier) => `${file.path} imports ${specifier}`),
  );
  assert.deepEqual(wrong, []);
});

/** Packages that who needs them installs, each loaded in one file, when it is needed. */
const OPTIONAL: Readonly<Record<string, string>> = { lmdb: "src/outbox/lmdb.ts" };

test("nothing but Node and what finds the addon is needed to run, and builtins by their full name", () => {
  const wrong = sources.flatMap((file) =>
    file.imports
      .filter((specifier) => !specifier.startsWith(".") && OPTIONAL[specifier] !== file.path)
      .filter((specifier) => !specifier.startsWith("node:") || !isBuiltin(specifier))
      .map((specifier) => `${file.path} imports ${specifier}`),
  );
  assert.deepEqual(wrong, []);
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.deepEqual(Object.keys(manifest.dependencies ?? {}), ["node-gyp-build"]);
  assert.deepEqual(Object.keys(manifest.peerDependencies), Object.keys(OPTIONAL));
  for (const name of Object.keys(OPTIONAL)) assert.equal(manifest.peerDependenciesMeta[name].optional, true);
});

test("wire and session are pure: no builtin, timer, promise, clock or chance", () => {
  const wrong = sources
    .filter(({ room }) => PURE.includes(room))
    .flatMap(({ path, code, imports }) => [
      ...imports
        .filter((specifier) => specifier.startsWith("node:"))
        .map((specifier) => `${path} imports ${specifier}`),
      ...(IMPURE.exec(code)?.slice(0, 1) ?? []).map((word) => `${path} says ${word}`),
    ]);
  assert.deepEqual(wrong, []);
});

test("session and transport know nothing of each other: one file joins them", () => {
  const joining = sources.filter(({ path, imports }) => {
    const file = sources.find((source) => source.path === path)!;
    const rooms = imports.filter((specifier) => specifier.startsWith(".")).map((specifier) => target(file, specifier));
    const usesSession = rooms.some((other) => /^src\/session\/(framed|plain)\.ts$/.test(other));
    return usesSession && rooms.some((other) => other.startsWith("src/transport/"));
  });
  assert.deepEqual(
    joining.map(({ path }) => path),
    ["src/peer/connection.ts"],
  );
});

test("only those who say why have timers and turns of their own", () => {
  const waiting = sources.filter(({ code, imports }) => WAITS.test(code) || imports.includes("node:timers/promises"));
  assert.deepEqual(
    waiting.map(({ path }) => path).filter((path) => !(path in MAY_WAIT)),
    [],
  );
  const obsolete = Object.keys(MAY_WAIT).filter((path) => !waiting.some((file) => file.path === path));
  assert.deepEqual(obsolete, []);
});

test(`no source or test is longer than ${MAX_LINES} lines`, () => {
  const tests = filesIn("test").filter((path) => path.endsWith(".ts"));
  const long = [...sources, ...tests.map(read)].filter(({ lines }) => lines > MAX_LINES);
  assert.deepEqual(
    long.map(({ path, lines }) => `${path}: ${lines}`),
    [],
  );
});

test("nothing is exported by default, and nothing at module level can be set from outside", () => {
  const wrong = sources.filter(({ code }) => /\bexport (default|let|var)\b/.test(code));
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test("there are no private getters, which V8 calls C++ for", () => {
  const wrong = sources.filter(({ code }) => /\b[gs]et #/.test(code));
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test("ARCHITECTURE.md names every source file, and none that is gone", () => {
  const text = readFileSync(join(ROOT, "ARCHITECTURE.md"), "utf8");
  const blocks = Array.from(text.matchAll(/^```tree\n([\s\S]*?)^```$/gm), ([, block = ""]) => block);
  assert.notEqual(blocks.length, 0, "ARCHITECTURE.md has no ```tree block");
  const words = blocks.flatMap((block) => block.split("\n").map((line) => line.trim().split(/\s+/)[0] ?? ""));
  const named = words.filter((word) => word.startsWith("src/") && !word.endsWith("/"));
  assert.deepEqual([...named].sort(), filesIn("src"));
});
