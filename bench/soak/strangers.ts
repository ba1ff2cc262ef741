import { connect, type Socket } from "node:net";

/** Those who call and mean no good, or forget to read: some at any time, each for a few seconds at most. */
export class Strangers {
  readonly #paths: readonly string[];
  readonly #sockets = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;
  calls = 0;

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  start(everyMs: number): void {
    this.#timer = setInterval(() => this.#call(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
  }

  #call(): void {
    const path = this.#paths[this.calls % this.#paths.length] ?? "";
    const socket = connect(path);
    const attack = ATTACKS[this.calls++ % ATTACKS.length];
    this.#sockets.add(socket);
    socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
    socket.setTimeout(5_000, () => socket.destroy());
    socket.once("connect", () => attack?.(socket));
  }
}

/** Preface and an empty HELLO frame, as PROTOCOL.md has them. */
function greeting(): Buffer {
  const hello = Buffer.from('{"versions":[1,1]}');
  const header = Buffer.from("01000000000000000000000000000000", "hex");
  header.writeUInt32LE(hello.length, 4);
  return Buffer.concat([Buffer.from("c165617273686f74", "hex"), header, hello]);
}

function open(exchange: number, body: Buffer, declared = body.length): Buffer {
  const header = Buffer.from("02010000000000000000000000000000", "hex");
  header.writeUInt32LE(declared, 4);
  header.writeUInt32LE(exchange, 8);
  return Buffer.concat([header, body]);
}

const ATTACKS: readonly ((socket: Socket) => void)[] = [
  // Nothing at all.
  () => {},
  (socket) => socket.write(Buffer.alloc(20_000, 0xfe)),
  (socket) => socket.write(Buffer.concat([greeting(), Buffer.alloc(20_000, 0xfe)])),
  // Half a frame; a frame of 4 GiB.
  (socket) => socket.write(Buffer.concat([greeting(), open(1, Buffer.alloc(5_000), 100_000)])),
  (socket) => socket.write(Buffer.concat([greeting(), open(1, Buffer.alloc(10), 0xffff_ffff)])),
  // Many messages, and no reply is read.
  (socket) => {
    socket.pause();
    const messages = Array.from({ length: 50 }, (_, index) => open(2 * index + 1, Buffer.alloc(60_000, 1)));
    socket.write(Buffer.concat([greeting(), ...messages]));
  },
  (socket) => socket.destroy(),
];
