/** What contracts cost the type checker, and what an editor shows of them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ROOT } from "../support/process.js";

const PROCEDURES = 200;
/** About twice what it takes; the time that is printed depends on the machine. */
const MAX_INSTANTIATIONS = 400_000;

/** Where imports of packages are found. */
function generated(t: TestContext, text: string): string {
  const directory = mkdtempSync(join(realpathSync(`${ROOT}node_modules`), ".e-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const head = `import { z } from "zod";
import { connect, contract, procedure, serve, type } from "${ROOT}src/contract/index.js";
`;
  writeFileSync(join(directory, "program.ts"), head + text);
  return directory;
}

function tsc(directory: string, ...flags: string[]): string {
  const common = ["--ignoreConfig", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"];
  const lib = ["--lib", "es2023,esnext.disposable", "--types", "node", "--typeRoots", `${ROOT}node_modules/@types`];
  const program = join(directory, "program.ts");
  const args = [`${ROOT}node_modules/typescript/bin/tsc`, program, ...common, ...lib, ...flags];
  return execFileSync(process.execPath, args, { encoding: "utf8", cwd: directory });
}

test(`a contract of ${PROCEDURES} procedures is checked in no time`, { timeout: 120_000 }, (t) => {
  const numbers = Array.from({ length: PROCEDURES }, (_, index) => index);
  const kinds = [
    (n: number) => `input: z.object({ a${n}: z.string(), n: z.number() }), output: z.object({ b${n}: z.date() })`,
    (n: number) => `input: z.string(), yields: z.object({ c${n}: z.number() }), errors: { E${n}: z.string() }`,
    (n: number) => `accepts: z.object({ d${n}: z.string() }), output: type<{ e${n}: string }>()`,
    () => "accepts: z.string(), yields: z.string()",
  ];
  const handlers = [
    (n: number) => `p${n}: async ({ a${n} }) => ({ b${n}: new Date(a${n}) })`,
    (n: number) => `async *p${n}(text, { errors }) { if (text === "") throw errors.E${n}("e"); yield { c${n}: 1 }; }`,
    (n: number) =>
      `p${n}: async (items) => { for await (const { d${n} } of items) return { e${n}: d${n} }; return { e${n}: "" }; }`,
    (n: number) => `p${n}: (lines) => lines`,
  ];
  const uses = [
    (n: number) => `(await api.p${n}({ a${n}: "a", n: ${n} })).b${n}.getTime();`,
    (n: number) => `for await (const { c${n} } of api.p${n}("a")) c${n}.toFixed();`,
    (n: number) => `(await api.p${n}([{ d${n}: "a" }])).e${n}.trim();`,
    (n: number) => `for await (const line of api.p${n}(["a"])) line.trim();`,
  ];
  const at = (list: readonly ((n: number) => string)[]) => numbers.map((n) => list[n % list.length]!(n));
  const directory = generated(
    t,
    `const many = contract("many", "1.0.0", {\n${at(kinds)
      .map((kind, n) => `p${n}: procedure({ ${kind} }),`)
      .join("\n")}\n});
await serve("x", many, {\n${at(handlers).join(",\n")}\n});
const api = await connect("x", many);
${at(uses).join("\n")}
`,
  );
  const told = tsc(directory, "--noEmit", "--extendedDiagnostics");
  const figure = (name: string) => new RegExp(`^${name}:\\s+([\\d.]+)`, "m").exec(told)?.[1];
  t.diagnostic(
    `check time ${figure("Check time")} s, ${figure("Instantiations")} instantiations, ${figure("Types")} types`,
  );
  assert.ok(Number(figure("Instantiations")) < MAX_INSTANTIATIONS, told);
});

test("an editor shows plain types: a declaration file has what it shows", { timeout: 120_000 }, (t) => {
  const directory = generated(
    t,
    `export const weather = contract("weather", "1.0.0", {
  forecast: procedure({ input: z.object({ city: z.string() }), output: z.object({ celsius: z.number() }) }),
  watch: procedure({ input: z.string(), yields: z.object({ celsius: z.number() }) }),
  tagged: procedure({ input: z.number(), accepts: z.string(), output: z.string() }),
});
export const { forecast, watch, tagged } = await connect("x", weather);
`,
  );
  tsc(directory, "--declaration", "--emitDeclarationOnly", "--outDir", "out", "--rootDir", "/");
  const text = readFileSync(join(directory, "out", directory, "program.d.ts"), "utf8");
  const plain = text.replaceAll(/import\("[^"]+"\)\./g, "").replaceAll(/\s+/g, " ");
  for (const shown of [
    "forecast: (input: { city: string; }, options?: CallOptions | undefined) => Promise<{ celsius: number; }>",
    "watch: (input: string, options?: CallOptions | undefined) => Stream<{ celsius: number; }>",
    "tagged: (input: number, items: Items<string>, options?: CallOptions | undefined) => Promise<string>",
  ]) {
    assert.ok(plain.includes(shown), plain);
  }
});
