// The server of `earshot bench` without an address: a process of its own, which ends with the one that has started it.
import { type ListenOptions, listen } from "../index.js";

/** What is larger is acknowledged without a reply. */
const ECHO_BYTES = 1_024;

const [address = "", maxMessageBytes, lane] = process.argv.slice(2);
const server = await listen(address, (message) => (message.byteLength <= ECHO_BYTES ? message.bytes : undefined), {
  maxMessageBytes: Number(maxMessageBytes),
  lane: lane as ListenOptions["lane"],
});
// The terminal sends them to all of its processes. The one that has started it hears them, too, and ends it when it is done.
for (const name of ["SIGINT", "SIGHUP"] as const) process.on(name, () => {});
process.on("disconnect", () => void server.close({ graceMs: 0 }));
process.send?.("ready");
