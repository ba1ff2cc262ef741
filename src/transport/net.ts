import { Socket } from "node:net";
import { type EarshotError, failure, type Operation, systemFact } from "../errors.js";
import type { SocketTarget } from "./resolve.js";
import type { Transport, TransportEvents } from "./transport.js";

/**
 * Small messages are read with a small buffer: what each read brought is answered before the next, so that the other side
 * goes to work while this one still does. The bytes of large ones are read straight to where they belong.
 * One serves every socket of the thread: libuv reads into it and hands it over in the same breath, so that no two
 * reads are ever in it at once.
 */
const READ_BYTES = 8_192;
let readBuffer: Buffer | undefined;
/** Whose read was handed over last: the next buffer is chosen right after it. */
let lastReader: NetTransport | undefined;

const OWNER = Symbol("transport");

interface OwnedSocket extends Socket {
  [OWNER]?: NetTransport;
}

// One function for all sockets instead of closures for each: an idle connection is mostly its listeners.
function onEnd(this: OwnedSocket): void {
  this[OWNER]?.events?.onEnd();
}
function onDrain(this: OwnedSocket): void {
  this[OWNER]?.events?.onDrain();
}
function onError(this: OwnedSocket, error: Error): void {
  this[OWNER]?.failed(error);
}
function onClose(this: OwnedSocket): void {
  this[OWNER]?.closed();
}

/** The portable transport, over `node:net`. */
export class NetTransport implements Transport {
  readonly isPeerGone = false;
  readonly carriesDescriptors = false;
  readonly credentials = undefined;
  readonly #socket: Socket;
  #events: TransportEvents | undefined;
  #error: EarshotError | undefined;
  #isPaused = false;

  /** @internal use `dialNet` and `listenNet`. */
  constructor(makeSocket: (transport: NetTransport) => Socket) {
    this.#socket = makeSocket(this);
  }

  /** @internal */
  onRead(bytes: Buffer): void {
    this.#events?.onBytes(bytes);
  }

  get socket(): Socket {
    return this.#socket;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    const socket: OwnedSocket = this.#socket;
    socket[OWNER] = this;
    socket.on("end", onEnd).on("drain", onDrain).on("finish", onDrain).on("error", onError).on("close", onClose);
    socket.resume();
  }

  /** @internal */
  get events(): TransportEvents | undefined {
    return this.#events;
  }

  /** @internal */
  failed(error: Error): void {
    this.#error = systemFact(error);
  }

  /** @internal */
  closed(): void {
    this.#events?.onClose(this.#error);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (!socket.writable) return true;
    const [only] = chunks;
    if (chunks.length === 1 && only !== undefined) socket.write(only);
    else {
      socket.cork();
      for (const chunk of chunks) socket.write(chunk);
      socket.uncork();
    }
    return socket.writableLength === 0;
  }

  end(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
    // A `resume` of the same turn begins to read when the turn is over, whatever was called after it.
    process.nextTick(stayPaused, this);
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** @internal */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  close(): void {
    this.#socket.destroy();
  }
}

function stayPaused(transport: NetTransport): void {
  if (transport.isPaused) transport.socket.pause();
}

/** A small high-water mark makes `drain` follow every write that did not leave at once. */
export const SOCKET_OPTIONS = { allowHalfOpen: true, writableHighWaterMark: 1 };

/** Where the next read goes to. */
function chooseBuffer(): Buffer {
  const reader = lastReader;
  lastReader = undefined;
  readBuffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
  return reader?.events?.readInto() ?? readBuffer;
}

/** How a socket reads for a transport. */
export function onReadOptions(transport: NetTransport) {
  const callback = (bytes: number, buffer: Uint8Array) => {
    lastReader = transport;
    transport.onRead((buffer as Buffer).subarray(0, bytes));
    return true;
  };
  return { buffer: chooseBuffer, callback };
}

/** Connects; rejects with the system's error. */
export function connectNet(target: SocketTarget): Promise<NetTransport> {
  assertExactName(target, "dial");
  return new Promise((resolve, reject) => {
    const transport = new NetTransport((self) => {
      const socketOptions = { ...SOCKET_OPTIONS, onread: onReadOptions(self) };
      // Paused: nothing is read before somebody listens.
      return new Socket(socketOptions).pause();
    });
    const { socket } = transport;
    const settle = (outcome: () => void) => {
      socket.removeAllListeners();
      socket.on("error", () => {});
      outcome();
    };
    socket.once("error", (error) => settle(() => reject(error)));
    socket.once("connect", () => settle(() => resolve(transport)));
    socket.connect({ path: target.kind === "path" ? target.path : `\0${target.name}` });
  });
}

/** Node 20 pads abstract names with NULs, so that no other program would find them. @throws EarshotError `UNSUPPORTED` */
export function assertExactName(target: SocketTarget, op: Operation, version = process.version): void {
  if (target.kind !== "abstract" || Number.parseInt(version.slice(1), 10) >= 22) return;
  const fact = `Node ${version} pads abstract names with NULs, so that no other program would find it; use the native addon, Node 22 or later, or a path`;
  throw failure("UNSUPPORTED", op, target.text, fact);
}
