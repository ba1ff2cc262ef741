import { createHash, randomFillSync } from "node:crypto";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Handler, listen } from "../../src/index.js";
import { temporaryDirectory } from "../support/temp.js";

export const LIMIT = { timeout: 120_000 };

/** Around what one read brings, and the largest that is taken by default. */
export const SIZES = [1, 1_024, 65_535, 65_536, 65_537, 1_048_576, 67_108_864];

/** Random bytes that do not begin as a framed connection does. */
export function randomMessage(bytes: number): Buffer {
  const message = randomFillSync(Buffer.allocUnsafe(bytes));
  message[0] = 0x2a;
  return message;
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What came to a server without any options, as length and hash. */
export class Inbox {
  readonly path: string;
  #received: string[] = [];
  #onMessage: () => void = () => {};

  private constructor(path: string) {
    this.path = path;
  }

  static async open(t: TestContext, answer: Handler = () => undefined): Promise<Inbox> {
    const inbox = new Inbox(join(temporaryDirectory(t), "s"));
    const server = await listen(inbox.path, (message, context) => {
      inbox.#received.push(`${context.wire} ${message.byteLength} ${hashOf(message.bytes)}`);
      inbox.#onMessage();
      return answer(message, context);
    });
    t.after(() => server.close({ graceMs: 0 }));
    return inbox;
  }

  /** Resolves with all that came since the last call, once there is something. */
  async take(): Promise<string[]> {
    if (this.#received.length === 0) {
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
    const taken = this.#received;
    this.#received = [];
    return taken;
  }
}

export function plain(message: Uint8Array): string {
  return `plain ${message.length} ${hashOf(message)}`;
}
