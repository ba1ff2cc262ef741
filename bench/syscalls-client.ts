// Sends messages of 64 bytes, so many in flight; for strace to count.
import { CONTENDERS } from "./contenders.js";

const [kind = "", path = "", inFlight = "1", count = "1"] = process.argv.slice(2);
const client = await CONTENDERS[kind]?.dial(path);
let left = Number(count);
const lane = async () => {
  while (left-- > 0) await client?.send(Buffer.alloc(64, "x"));
};
await Promise.all(Array.from({ length: Number(inFlight) }, lane));
await client?.close();
process.exit();
