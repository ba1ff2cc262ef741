import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { clientOf, connect } from "earshot/contract";
import { measured } from "./measured-contract.js";
const directory = mkdtempSync("/tmp/e-");
const server = fork(new URL("contract-server.ts", import.meta.url), [directory], { execArgv: [...process.execArgv.filter(a=>!a.includes("prof")), ...(process.argv[2]==="s"?["--cpu-prof","--cpu-prof-dir=/tmp/prof"]:[])] });
await new Promise((resolve) => server.once("message", resolve));
const api = await connect(`${directory}/typed`, measured);
const TEXT = "x".repeat(62);
for (let r = 0; r < 12; r++) {
let left = 300000;
const t = performance.now();
const lane = async () => { while (left-- > 0) await api.text(TEXT); };
const c0 = process.cpuUsage();
await Promise.all(Array.from({ length: 256 }, lane));
const c = process.cpuUsage(c0);
console.log((300000 / (performance.now() - t)).toFixed(0), "client cpu ms", (c.user + c.system)/1000, "wall", (performance.now()-t).toFixed(0));
}
await clientOf(api).close();
server.kill("SIGINT"); await new Promise(r => setTimeout(r, 500));
rmSync(directory, { recursive: true });
