import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { describe, END, frame, greeting, TYPE } from "../session/raw.js";
import { preface } from "../wire/reference.js";

export {
  DEADLINE,
  END,
  frame,
  goAway,
  greeting,
  hello,
  open,
  openInPieces,
  reset,
  SIZE,
  TYPE,
} from "../session/raw.js";

/** A socket that says whatever the test wants, and keeps what it hears. Destroyed after the test. */
export class Raw {
  readonly socket: Socket;
  /** Resolves when the other side has ended its direction, or all is over. */
  readonly ended: Promise<void>;
  /** Resolves when the socket is closed; with the code of its error, if it had one. */
  readonly closed: Promise<string | undefined>;
  #parts: Buffer[] = [];
  #watchers = new Set<() => void>();
  #isOver = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    let code: string | undefined;
    socket.on("error", (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    socket.on("data", (bytes: Buffer) => {
      this.#parts.push(bytes);
      for (const look of [...this.#watchers]) look();
    });
    this.closed = new Promise((resolve) => socket.on("close", () => resolve(code)));
    this.ended = new Promise((resolve) => {
      const over = () => {
        this.#isOver = true;
        for (const look of [...this.#watchers]) look();
        resolve();
      };
      socket.on("end", over).on("close", over);
    });
  }

  /** Connects to an address in its `unix:` form. @param isDeaf whether it never reads */
  static async connect(t: Pick<TestContext, "after">, address: string, isDeaf = false): Promise<Raw> {
    const socket = connect({ path: address.replace(/^unix:/, ""), allowHalfOpen: true });
    const raw = new Raw(socket);
    if (isDeaf) socket.pause();
    t.after(() => void socket.destroy());
    await once(socket, "connect");
    return raw;
  }

  /** Connects, greets, and waits until the server has greeted back. */
  static async greeted(t: Pick<TestContext, "after">, address: string): Promise<Raw> {
    const raw = await Raw.connect(t, address);
    raw.write(greeting());
    await raw.hears((lines) => lines.includes("HELLO"));
    return raw;
  }

  /** Everything that came. */
  get received(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** What came, one line for each frame, without the HELLO: as `test/session/raw.ts` writes it. */
  get frames(): string[] {
    return this.#lines().filter((line) => line !== "HELLO");
  }

  write(...parts: (string | Uint8Array)[]): this {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
    return this;
  }

  /** Waits for the frames that came to satisfy the condition. */
  async hears(isEnough: (lines: string[]) => boolean): Promise<this> {
    await this.receives(() => isEnough(this.#lines()));
    return this;
  }

  /** Waits for the bytes that came to satisfy the condition. */
  async receives(isEnough: (received: Buffer) => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        const isMet = isEnough(this.received);
        if (!isMet && !this.#isOver) return;
        this.#watchers.delete(look);
        if (isMet) resolve();
        else reject(new Error(`the connection is over, and only this came: ${this.received.toString("latin1")}`));
      };
      this.#watchers.add(look);
      look();
    });
  }

  #lines(): string[] {
    return describe(wholeFrames(this.received));
  }
}

/** Without the frame that has only come in part. */
function wholeFrames(bytes: Buffer): Buffer {
  if (bytes.length < preface.length) return Buffer.alloc(0);
  let end = preface.length;
  while (bytes.length >= end + 16) {
    const next = end + 16 + bytes.readUInt32LE(end + 4);
    if (next > bytes.length) break;
    end = next;
  }
  return bytes.subarray(0, end);
}

/** A message of which so many bytes are declared and `sent` come. */
export function halfMessage(exchange: number, declared: number, sent: number): Buffer {
  const whole = frame(TYPE.OPEN, END, exchange, Buffer.alloc(declared, "x"));
  return whole.subarray(0, whole.length - declared + sent);
}
