// Connects, sends messages of 64 bytes, so many in flight, and ends: for strace to count, and for the clock.
import { CONTENDERS } from "./contenders.js";

const [kind = "", path = "", inFlight = "1", count = "1"] = process.argv.slice(2);
const sides = await CONTENDERS[kind]?.load();
const client = await sides?.dial(path);
const message = Buffer.alloc(64, "x");
let left = Number(count);
const lane = async () => {
  while (left-- > 0) await client?.send(message);
};
await Promise.all(Array.from({ length: Number(inFlight) }, lane));
await client?.close();
process.exit();
