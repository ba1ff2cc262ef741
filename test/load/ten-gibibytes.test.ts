import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { socketPath, WIRES } from "../peer/support.js";
import { Child } from "../support/children.js";
import { EARSHOT, Program } from "../support/process.js";
import { compileFixture } from "../support/starter.js";

const MIB = 1_048_576;
const GIB = 1_024 * MIB;
/** `EARSHOT_STREAM_BYTES=10737418240` for all that the title promises. */
const BYTES = Number(process.env.EARSHOT_STREAM_BYTES ?? GIB / 2);
const SLOW_BYTES = Number(process.env.EARSHOT_SLOW_STREAM_BYTES ?? BYTES / 16);
/** Node itself has about 50. */
const MAX_MIB = 150;

type Test = Parameters<typeof compileFixture>[0];

interface Report {
  diagnostic(text: string): void;
}

function assertFrugal(t: Report, peaks: Readonly<Record<string, number>>, bytes: number, startedAt: number): void {
  const seconds = (performance.now() - startedAt) / 1_000;
  const told = Object.entries(peaks).map(([who, mib]) => `${who} ${mib.toFixed()} MiB`);
  t.diagnostic(`${(bytes / MIB / seconds).toFixed()} MiB/s, at most ${told.join(", ")} resident`);
  for (const [who, mib] of Object.entries(peaks)) assert.ok(mib < MAX_MIB, `${who} had ${mib.toFixed()} MiB`);
}

async function pair(t: Test, order: object): Promise<{ server: Child; client: Child; address: string }> {
  const program = await compileFixture(t, "stream-peer");
  const [server, client] = await Promise.all([Child.startCompiled(t, program), Child.startCompiled(t, program)]);
  const address = socketPath(t);
  await server.call("listen", { address, ...order });
  return { server, client, address };
}

const peaksOf = async ({ server, client }: { readonly server: Child; readonly client: Child }) => ({
  server: Number(await server.call("peakMib")),
  client: Number(await client.call("peakMib")),
});

for (const transport of ["native", "net"] as const) {
  for (const wire of WIRES) {
    for (const what of ["give", "take"] as const) {
      const title = `${transport}, ${wire}: ${what === "give" ? "a message" : "a reply"} of ${BYTES / GIB} GiB arrives whole in little memory`;
      test(title, async (t) => {
        const { address, ...processes } = await pair(t, {
          transport,
          ...(what === "take" ? { givesBytes: BYTES } : {}),
        });
        const startedAt = performance.now();
        const options = { wire, transport };
        assert.equal(await processes.client.call(what, { address, options, bytes: BYTES }), `${BYTES} bytes`);
        assertFrugal(t, await peaksOf(processes), BYTES, startedAt);
      });
    }

    test(`${transport}, ${wire}: a reader ten times slower than its writer holds it back, not the memory`, async (t) => {
      const fast = await pair(t, { transport });
      const options = { wire, transport };
      const startedAt = performance.now();
      await fast.client.call("give", { address: fast.address, options, bytes: SLOW_BYTES });
      const bytesPerSecond = (SLOW_BYTES / (performance.now() - startedAt)) * 100;
      const { address, ...slow } = await pair(t, { transport, bytesPerSecond });
      const slowAt = performance.now();
      const order = { address, options, bytes: SLOW_BYTES };
      assert.equal(await slow.client.call("give", order), `${SLOW_BYTES} bytes`);
      assertFrugal(t, await peaksOf(slow), SLOW_BYTES, slowAt);
    });
  }
}

/** Makes a process tell on standard error, when it ends, the most memory that it has had. */
const TELL_PEAK = `process.on("exit", () => {
  const [, kb] = /VmHWM:\\s+(\\d+) kB/.exec(require("node:fs").readFileSync("/proc/self/status", "utf8"));
  require("node:fs").writeSync(2, "peak " + kb / 1024 + " MiB\\n");
});`;

const peakIn = (stderr: string) => Number(/peak (\S+) MiB/.exec(stderr)?.[1]);

for (const wire of WIRES) {
  test(`${wire}: ${BYTES / GIB} GiB from the standard input of send to the standard output of listen`, async (t) => {
    const bytes = await compileFixture(t, "endless-bytes");
    const path = socketPath(t);
    const hook = `${path}.cjs`;
    writeFileSync(hook, TELL_PEAK);
    const node = `"${process.execPath}"`;
    const earshot = `${node} --require "${hook}" "${EARSHOT}"`;
    const server = new Program(t, "sh", [
      "-c",
      `${earshot} listen "${path}" --once --output - | ${node} "${bytes}" check`,
    ]);
    await server.says("stderr", "listening on ");
    const startedAt = performance.now();
    const make = `${node} "${bytes}" make ${BYTES}`;
    const client = new Program(t, "sh", ["-c", `${make} | ${earshot} send "${path}" --wire ${wire}`]);
    const sent = await client.ended;
    assert.equal(sent.code, 0, sent.stderr);
    const received = await server.ended;
    assert.equal(received.stdout.toString(), `${BYTES} bytes`);
    assertFrugal(t, { listen: peakIn(received.stderr), send: peakIn(sent.stderr) }, BYTES, startedAt);
  });
}
