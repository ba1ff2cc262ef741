import assert from "node:assert/strict";
import { test } from "node:test";
import { aborted, connect, Gate, inPieces, outcome, rejection, serveStreams } from "../peer/support.js";
import { pattern } from "../support/bytes.js";

const STREAMS = 1_000;
const BYTES = 300_000;

test("of 1,000 streams on one connection one is never read: the others finish, and the one is cancelled cleanly", async (t) => {
  const stuck = new Gate();
  const given = new Gate();
  const server = await serveStreams(t, async (message, { signal }) => {
    let bytes = 0;
    for await (const chunk of message.body) {
      // The first byte says which of them it is.
      if (bytes === 0 && chunk[0] === 1) {
        stuck.open();
        await aborted(signal);
        given.open();
        return undefined;
      }
      bytes += chunk.length;
    }
    return `${bytes} bytes`;
  });
  const client = await connect(t, server);
  const controller = new AbortController();
  let produced = 0;
  async function* endless() {
    for (;;) {
      produced += 10_000;
      yield Buffer.alloc(10_000, 1);
    }
  }
  const stuckSend = rejection(client.send(endless(), { signal: controller.signal }));
  await stuck.opened;
  const body = pattern(BYTES).fill(0, 0, 1);
  const sends = Array.from({ length: STREAMS - 1 }, () => outcome(client.send(inPieces(body, 7_000))));
  const outcomes = new Set(await Promise.all(sends));
  assert.deepEqual([...outcomes], [`reply ${BYTES} bytes`]);
  // What was read, the window of one who reads, what waits to leave, and the pieces that found no room.
  assert.ok(produced <= 65_536 + 589_824 + 131_072 + 20_000, `${produced} bytes were produced for nobody`);
  assert.equal(await outcome(client.send("small")), "reply 5 bytes");
  controller.abort();
  assert.equal((await stuckSend).code, "CANCELLED");
  await given.opened;
  await server.close();
});
