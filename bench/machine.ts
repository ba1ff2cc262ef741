import { cpus, loadavg, release, totalmem, type } from "node:os";
import type { Machine } from "./results.js";

export function describeMachine(): Machine {
  return {
    node: process.version,
    system: `${type()} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: Number(loadavg()[0]?.toFixed(2)),
  };
}
