import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PREFACE } from "../../src/wire/frame.js";
import { Program } from "../support/process.js";
import { requireTool } from "../support/tools.js";
import { hashOf, Inbox, LIMIT, plain, randomMessage, SIZES } from "./messages.js";

const ASK = fileURLToPath(new URL("ask.py", import.meta.url));

/** How programs that nobody has to write send a message and wait for the reply. */
const SENDERS: readonly (readonly [tool: string, args: (path: string) => string[]])[] = [
  ["nc", (path) => ["-NU", path]],
  ["socat", (path) => ["-t600", "-", `UNIX-CONNECT:${path}`]],
  ["python3", (path) => [ASK, path]],
];

for (const [tool, args] of SENDERS) {
  test(`${tool} sends messages of every size, and gets the replies`, LIMIT, async (t) => {
    if (!requireTool(t, tool)) return;
    const inbox = await Inbox.open(t, (message) => message.bytes);
    for (const size of SIZES) {
      const input = randomMessage(size);
      const { code, stdout, stderr } = await new Program(t, tool, args(inbox.path), { input }).ended;
      assert.equal(code, 0, stderr);
      assert.equal(hashOf(stdout), hashOf(input), `${size} bytes came back as ${stdout.length}`);
      assert.deepEqual(await inbox.take(), [plain(input)]);
    }
  });

  test(`${tool} with nothing to send is not a message`, LIMIT, async (t) => {
    if (!requireTool(t, tool)) return;
    const inbox = await Inbox.open(t, () => "unexpected");
    const { stdout } = await new Program(t, tool, args(inbox.path)).ended;
    assert.equal(stdout.length, 0);
    assert.deepEqual(await sendRaw(t, inbox, Buffer.from("next")), [plain(Buffer.from("next"))]);
  });
}

test("socat that only writes and leaves gets its message handled", LIMIT, async (t) => {
  if (!requireTool(t, "socat")) return;
  const inbox = await Inbox.open(t, (message) => message.bytes);
  for (const size of SIZES) {
    const input = randomMessage(size);
    const { code, stderr } = await new Program(t, "socat", ["-u", "-", `UNIX-CONNECT:${inbox.path}`], { input }).ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(await inbox.take(), [plain(input)]);
  }
});

test("bytes that begin as the framed wire does, but are not its preface, are a plain message", LIMIT, async (t) => {
  const inbox = await Inbox.open(t);
  const preface = Buffer.from(PREFACE);
  const messages = [
    preface.subarray(0, 1),
    preface.subarray(0, 7),
    Buffer.concat([preface.subarray(0, 1), Buffer.from(" and then text")]),
    Buffer.concat([preface.subarray(0, 7), Buffer.from("T")]),
  ];
  for (const message of messages) {
    assert.deepEqual(await sendRaw(t, inbox, message), [plain(message)]);
    const pieces = [...message].map((byte) => Buffer.of(byte));
    assert.deepEqual(await sendRaw(t, inbox, ...pieces), [plain(message)]);
  }
});

/** Each piece is written when the one before has left. */
async function sendRaw(t: TestContext, inbox: Inbox, ...pieces: Buffer[]): Promise<string[]> {
  const socket = connect(inbox.path);
  t.after(() => socket.destroy());
  await once(socket, "connect");
  for (const piece of pieces) await new Promise<void>((resolve) => socket.write(piece, () => setImmediate(resolve)));
  socket.end();
  return await inbox.take();
}
