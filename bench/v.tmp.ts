import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { dial } from "../src/peer/client.js";
import { Caller } from "../src/contract/caller.js";
import { Plan } from "../src/contract/plan.js";
const directory = mkdtempSync("/tmp/e-");
const server = fork(new URL("v-server.tmp.ts", import.meta.url), [directory]);
await new Promise((resolve) => server.once("message", resolve));
const cpu = () => new Promise<number>((r) => { server.once("message", (m) => r(m as number)); server.send("cpu"); });
const TEXT = "x".repeat(62); const N = 200000;
const plan = new Plan("text", "unary", true, undefined, "x", 1);
const runs: [string, () => Promise<unknown>][] = []; const cl: any[] = [];
let bytes: any; void new Caller({ begin(p: any) { bytes = Buffer.from(p.body); } } as any, "msgpack", undefined, 1e6).unary(plan, TEXT, undefined);
for (const v of ["v0", "v1", "v2", "v3", "v4"]) { const c = await dial(`${directory}/${v}`); cl.push(c); runs.push([v + " raw", () => c.send(bytes)]); }
const c4 = cl[4]; const caller = new Caller(c4, "msgpack", undefined, 1e6);
const c1 = cl[1]; const caller1 = new Caller(c1, "msgpack", undefined, 1e6);
runs.push(["v1 typed client", () => caller1.unary(plan, TEXT, undefined).catch(() => 0)]);
runs.push(["v4 typed client", () => caller.unary(plan, TEXT, undefined)]);
const best = new Map<string, [number, number, number]>();
for (let r = 0; r < 6; r++) for (const [name, run] of runs) {
  let left = N; const lane = async () => { while (left-- > 0) await run(); };
  const s0 = await cpu(); const c0 = process.cpuUsage(); const t = performance.now();
  await Promise.all(Array.from({ length: 256 }, lane));
  const wall = performance.now() - t; const c = process.cpuUsage(c0); const s = (await cpu()) - s0;
  const b = best.get(name) ?? [1e9, 1e9, 1e9];
  best.set(name, [Math.min(b[0], (c.user + c.system) / N), Math.min(b[1], s / N), Math.min(b[2], wall * 1000 / N)]);
}
for (const [n, [c, s, w]] of best) console.log(n.padEnd(18), "client µs", c.toFixed(2), "server µs", s.toFixed(2), "wall µs", w.toFixed(2));
for (const c of cl) await c.close(); server.kill(); rmSync(directory, { recursive: true });
