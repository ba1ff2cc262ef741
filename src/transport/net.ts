import { Socket } from "node:net";
import { type EarshotError, failure, fromSystem, systemCode, systemFact } from "../errors.js";
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

/** A full queue of connections is tried again after this long, and then after up to `MAX_RETRY_MS`. */
const FIRST_RETRY_MS = 1;
const MAX_RETRY_MS = 50;

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

export interface DialNetOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Connects; a server whose queue is full is tried again until the time is up. */
export async function dialNet(target: SocketTarget, options: DialNetOptions): Promise<Transport> {
  const deadline = options.timeoutMs > 0 ? performance.now() + options.timeoutMs : Infinity;
  for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)) {
    try {
      return await connect(target, deadline, options);
    } catch (error) {
      if (systemCode(error) !== "EAGAIN") throw error;
      const pauseMs = retryMs * (0.5 + Math.random());
      if (performance.now() + pauseMs > deadline) throw fromSystem(error, "dial", target.text);
      await pause(pauseMs, target, options.signal);
    }
  }
}

function connect(target: SocketTarget, deadline: number, options: DialNetOptions): Promise<NetTransport> {
  return new Promise((resolve, reject) => {
    const transport = new NetTransport((self) => {
      const socketOptions = { ...SOCKET_OPTIONS, onread: onReadOptions(self) };
      // Paused: nothing is read before somebody listens.
      return new Socket(socketOptions).pause();
    });
    const { socket } = transport;
    const fail = (error: EarshotError) => {
      socket.destroy();
      settle(() => reject(error));
    };
    const onAbort = () => fail(cancelled(target, options.signal));
    const timer =
      deadline === Infinity
        ? undefined
        : setTimeout(
            () => fail(failure("TIMEOUT", "dial", target.text, `no connection within ${options.timeoutMs} ms`)),
            Math.max(0, deadline - performance.now()),
          );
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      socket.removeAllListeners();
      socket.on("error", () => {});
      outcome();
    };
    if (options.signal?.aborted === true) return onAbort();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("error", (error) => {
      settle(() => reject(systemCode(error) === "EAGAIN" ? error : fromSystem(error, "dial", target.text)));
    });
    socket.once("connect", () => settle(() => resolve(transport)));
    socket.connect({ path: target.kind === "path" ? target.path : `\0${target.name}` });
  });
}

function pause(ms: number, target: SocketTarget, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(cancelled(target, signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function cancelled(target: SocketTarget, signal: AbortSignal | undefined): EarshotError {
  return failure("CANCELLED", "dial", target.text, "its signal was aborted", { cause: signal?.reason });
}
