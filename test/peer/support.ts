import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  type Client,
  type DialOptions,
  dial,
  EarshotError,
  type Handler,
  type ListenOptions,
  listen,
  type Message,
  type Server,
  type StreamHandler,
  type StreamListenOptions,
} from "../../src/index.js";
import { temporaryDirectory } from "../support/temp.js";

export type Wire = "framed" | "plain";
export const WIRES: readonly Wire[] = ["framed", "plain"];

type Test = Pick<TestContext, "after">;

/** A path for a socket in a directory of its own. */
export function socketPath(t: Test): string {
  return join(temporaryDirectory(t), "s");
}

/** A server at a path of its own, cut after the test. */
export async function serve(t: Test, handler: Handler, options?: ListenOptions): Promise<Server> {
  const server = await listen(socketPath(t), handler, options);
  t.after(() => cut(server));
  return server;
}

/** A server whose handler gets messages as they come, at a path of its own, cut after the test. */
export async function serveStreams(
  t: Test,
  handler: StreamHandler,
  options?: Omit<StreamListenOptions, "body">,
): Promise<Server> {
  const server = await listen(socketPath(t), handler, { ...options, body: "stream" });
  t.after(() => cut(server));
  return server;
}

/** A client, cut after the test. */
export async function connect(
  t: Test,
  { address }: { readonly address: string },
  options?: DialOptions,
): Promise<Client> {
  const client = await dial(address, options);
  t.after(() => cut(client));
  return client;
}

/** A second `close` waits for nothing. */
export async function cut(owner: Server | Client): Promise<void> {
  void owner.close();
  await owner.close();
}

/** What became of a `send`: `"reply hello"`, or the code and the delivery of its error. */
export async function outcome(sending: Promise<Message | unknown>): Promise<string> {
  try {
    const reply = (await sending) as Message;
    return `reply ${reply.byteLength > 100 ? `of ${reply.byteLength}` : reply.text()}`;
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    return error.delivery === undefined ? error.code : `${error.code} ${error.delivery}`;
  }
}

/** The error that it rejects with, which must be one of ours. */
export async function rejection(promise: Promise<unknown>): Promise<EarshotError> {
  const error = await promise.then(
    () => assert.fail("it did not reject"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EarshotError, `not an EarshotError: ${String(error)}`);
  return error;
}

/** All of it, one after the other. */
export async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The bytes, so many at a time. */
export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Yields for ever, and says when it was told to stop. */
export function endless(): { source: AsyncGenerator<string>; left: Promise<void> } {
  const gate = new Gate();
  async function* generate() {
    try {
      for (;;) yield "x".repeat(10_000);
    } finally {
      gate.open();
    }
  }
  return { source: generate(), left: gate.opened };
}

/** Something that the test opens when it wants. */
export class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}

/** Resolves when the signal aborts, with its reason. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  });
}
