import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { dial } from "earshot";
import { clientOf, connect } from "earshot/contract";
import { measured } from "./measured-contract.js";
const directory = mkdtempSync("/tmp/e-");
const server = fork(new URL("contract-server.ts", import.meta.url), [directory]);
await new Promise((resolve) => server.once("message", resolve));
const cpu = () => new Promise<number>((r) => { server.once("message", (m) => r(m as number)); server.send("cpu"); });
const raw = await dial(`${directory}/raw`);
const api = await connect(`${directory}/typed`, measured);
const TEXT = "x".repeat(62); const bytes = Buffer.alloc(64, "x");
const N = 200000;
const runs: [string, () => Promise<unknown>][] = [["raw", () => raw.send(bytes)], ["bytes", () => api.bytes(bytes)], ["text", () => api.text(TEXT)], ["later", () => api.later(TEXT)], ["zod", () => api.checked({ city: "Riga" })]];
const best = new Map<string, [number, number, number]>();
for (let r = 0; r < 6; r++) for (const [name, run] of runs) {
  let left = N; const lane = async () => { while (left-- > 0) await run(); };
  const s0 = await cpu(); const c0 = process.cpuUsage(); const t = performance.now();
  await Promise.all(Array.from({ length: 256 }, lane));
  const wall = performance.now() - t; const c = process.cpuUsage(c0); const s = (await cpu()) - s0;
  const b = best.get(name) ?? [1e9, 1e9, 1e9];
  best.set(name, [Math.min(b[0], (c.user + c.system) / N), Math.min(b[1], s / N), Math.min(b[2], wall * 1000 / N)]);
}
for (const [n, [c, s, w]] of best) console.log(n.padEnd(8), "client µs", c.toFixed(2), "server µs", s.toFixed(2), "wall µs", w.toFixed(2));
await raw.close(); await clientOf(api).close(); server.kill(); rmSync(directory, { recursive: true });
