import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Client, type Duplex, dial, listen, type Server, type StreamHandler } from "earshot";
import { Child, until } from "../../support/children.js";
import { Program, ROOT } from "../../support/process.js";
import { temporaryDirectory } from "../../support/temp.js";

export const LIMIT = { timeout: 60_000 };

/** Text that is cut in the middle of characters, and has all that JSON allows raw and others take for the end of a line. */
export const LONG_TEXT = "é💡\u2028\u2029\u0085\r\n\t".repeat(200_000);

/** Runs an example by itself; it must print these lines and nothing else. */
export async function prints(
  t: TestContext,
  name: string,
  lines: readonly string[],
  path = socketPath(t),
): Promise<void> {
  const args = [`examples/guests/${name}.js`, path];
  const { code, stdout, stderr } = await new Program(t, process.execPath, args, { cwd: ROOT }).ended;
  assert.equal(stdout.toString(), `${lines.join("\n")}\n`, stderr);
  assert.equal(stderr, "");
  assert.equal(code, 0);
}

export function socketPath(t: TestContext): string {
  return `${temporaryDirectory(t)}/s`;
}

/** Closes it after the test; a second `close` waits for nothing. */
export function closing<T extends Client | Server>(t: TestContext, owner: T): T {
  t.after(async () => {
    void owner.close();
    await owner.close();
  });
  return owner;
}

/** A client of its own. */
export async function connect(t: TestContext, address: string): Promise<Client> {
  return closing(t, await dial(address));
}

/** Both ends of a pair: the server's is there when the client's has written something. */
export async function ends(t: TestContext): Promise<{ readonly ours: Duplex; readonly theirs: Promise<Duplex> }> {
  let onPair: (pair: Duplex) => void = () => {};
  const theirs = new Promise<Duplex>((resolve) => {
    onPair = resolve;
  });
  const accept: StreamHandler = async (message) => {
    const pair = message.accept();
    onPair(pair);
    await pair.closed;
  };
  const server = closing(t, await listen(socketPath(t), accept, { body: "stream" }));
  const client = await connect(t, server.address);
  return { ours: client.open(), theirs };
}

/** A client of a server in a process of its own, which says nothing by itself, and can be killed. */
export async function mortal(t: TestContext): Promise<{
  readonly client: Client;
  /** When it has heard `what`, it says `last` and dies. */
  readonly die: (what: string, last: string) => Promise<void>;
}> {
  const address = socketPath(t);
  const server = await Child.start(t, "pair-server");
  await server.call("listen", { address });
  const client = await connect(t, address);
  const die = async (what: string, last: string) => {
    await until(async () => String(await server.call("heard")).includes(what), `the server to hear ${what}`);
    await server.call("say", { text: last });
    await server.kill();
  };
  return { client, die };
}

/** Writes text, and leaves the stream unlocked. */
export async function write(pair: Duplex, text: string): Promise<void> {
  const writer = pair.writable.getWriter();
  await writer.write(Buffer.from(text));
  writer.releaseLock();
}

/** Resolves with what has come when that contains `text`, and leaves the rest to the next. */
export async function heard(pair: Duplex, text: string): Promise<string> {
  const reader = pair.readable.getReader();
  let all = "";
  while (!all.includes(text)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`it ended: ${all}`);
    all += Buffer.from(value).toString();
  }
  reader.releaseLock();
  return all;
}
