import { fstatSync, read } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";

const PIECE_BYTES = 65_536;
const STDIN = 0;

/**
 * Standard input piece by piece, all in the same memory: a piece is good until the next is asked for. `process.stdin` makes
 * new memory for each, faster than the garbage collector of a busy machine takes it away.
 */
export function readStdin(): AsyncIterator<Buffer> {
  const stats = fstatSync(STDIN);
  return stats.isFIFO() || stats.isSocket() ? readPipe() : readFile();
}

async function* readFile(): AsyncGenerator<Buffer, void, undefined> {
  const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  const next = () =>
    new Promise<number>((resolve, reject) => {
      read(STDIN, buffer, 0, buffer.length, null, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
    });
  for (let bytes = await next(); bytes > 0; bytes = await next()) yield buffer.subarray(0, bytes);
}

async function* readPipe(): AsyncGenerator<Buffer, void, undefined> {
  const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let piece: Buffer | undefined;
  let isOver = false;
  let failure: Error | undefined;
  let wake = () => {};
  const callback = (bytes: number) => {
    piece = buffer.subarray(0, bytes);
    wake();
    // No more until it is asked for.
    return false;
  };
  const options = { fd: STDIN, readable: true, writable: false, onread: { buffer, callback } };
  // The types of Node 20 have `onread` for `connect` alone.
  const socket = new Socket(options as SocketConstructorOpts);
  const onOver = (error?: unknown) => {
    if (error instanceof Error) failure = error;
    isOver = true;
    wake();
  };
  socket.on("end", onOver).on("error", onOver).on("close", onOver);
  try {
    for (;;) {
      socket.resume();
      while (piece === undefined && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (piece === undefined) break;
      const taken: Buffer = piece;
      piece = undefined;
      yield taken;
    }
    if (failure !== undefined) throw failure;
  } finally {
    socket.destroy();
  }
}
