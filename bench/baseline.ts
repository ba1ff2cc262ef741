import { connect, createServer, type Socket } from "node:net";

/**
 * What people write over `node:net` by hand: `u32 length, u32 id, payload`. Payloads are views of what was read, put together at
 * most once. `"usual"`: each message leaves with a write of its own. `"tuned"`: as who has measured that does it, all of a turn
 * leave in one write, small ones as one buffer, and large ones are not copied.
 */
export type Care = "usual" | "tuned";

const HEADER_BYTES = 8;
const COPY_BYTES = 8_192;

class Framing {
  readonly #socket: Socket;
  readonly #care: Care;
  readonly #onFrame: (id: number, payload: Buffer) => void;
  #queue: Buffer[] = [];
  #parts: Buffer[] = [];
  #partBytes = 0;
  #needed = HEADER_BYTES;

  constructor(socket: Socket, care: Care, onFrame: (id: number, payload: Buffer) => void) {
    this.#socket = socket;
    this.#care = care;
    this.#onFrame = onFrame;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => {});
  }

  write(id: number, payload: Uint8Array): void {
    if (this.#care === "usual") {
      const header = Buffer.allocUnsafe(HEADER_BYTES);
      header.writeUInt32LE(payload.length, 0);
      header.writeUInt32LE(id, 4);
      this.#socket.write(Buffer.concat([header, payload]));
    } else this.#queueFrame(id, payload);
  }

  #queueFrame(id: number, payload: Uint8Array): void {
    if (this.#queue.length === 0) process.nextTick(() => this.#flush());
    const isSmall = payload.length <= COPY_BYTES;
    const frame = Buffer.allocUnsafe(HEADER_BYTES + (isSmall ? payload.length : 0));
    frame.writeUInt32LE(payload.length, 0);
    frame.writeUInt32LE(id, 4);
    if (isSmall) frame.set(payload, HEADER_BYTES);
    this.#queue.push(frame);
    if (!isSmall) this.#queue.push(Buffer.from(payload.buffer, payload.byteOffset, payload.length));
  }

  #flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    if (queue.every((part) => part.length <= COPY_BYTES + HEADER_BYTES)) {
      this.#socket.write(queue.length === 1 ? (queue[0] as Buffer) : Buffer.concat(queue));
      return;
    }
    this.#socket.cork();
    for (const part of queue) this.#socket.write(part);
    this.#socket.uncork();
  }

  #read(chunk: Buffer): void {
    if (this.#parts.length > 0) {
      this.#parts.push(chunk);
      this.#partBytes += chunk.length;
      if (this.#partBytes < this.#needed) return;
      chunk = Buffer.concat(this.#parts, this.#partBytes);
      this.#parts = [];
    }
    let offset = 0;
    for (;;) {
      const available = chunk.length - offset;
      this.#needed = HEADER_BYTES;
      if (available >= HEADER_BYTES) this.#needed += chunk.readUInt32LE(offset);
      if (available < this.#needed) break;
      const end = offset + this.#needed;
      this.#onFrame(chunk.readUInt32LE(offset + 4), chunk.subarray(offset + HEADER_BYTES, end));
      offset = end;
    }
    if (offset === chunk.length) return;
    const rest = chunk.subarray(offset);
    this.#parts = [rest];
    this.#partBytes = rest.length;
  }
}

export function serveBaseline(path: string, care: Care, handle: (payload: Buffer) => Uint8Array): Promise<void> {
  const server = createServer((socket) => {
    const framing = new Framing(socket, care, (id, payload) => framing.write(id, handle(payload)));
  });
  return new Promise((resolve) => server.listen(path, resolve));
}

export async function dialBaseline(path: string, care: Care) {
  const socket = connect(path);
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const pending = new Map<number, (payload: Buffer) => void>();
  let lastId = 0;
  const framing = new Framing(socket, care, (id, payload) => {
    pending.get(id)?.(payload);
    pending.delete(id);
  });
  return {
    send: (payload: Uint8Array) =>
      new Promise<Buffer>((resolve) => {
        lastId = (lastId + 1) >>> 0;
        pending.set(lastId, resolve);
        framing.write(lastId, payload);
      }),
    close: () =>
      new Promise<void>((resolve) => {
        socket.once("close", () => resolve());
        socket.end();
      }),
  };
}
