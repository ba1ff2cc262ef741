import type { FileHandle } from "node:fs/promises";
import { write } from "./output.js";

/** Where the messages of a server are written to. */
export interface Sink {
  /** Whether all of them go to one place, where a text needs a newline to be told from the next. */
  readonly isShared: boolean;
  /** A place for the next message, when it is its turn. It must be finished or abandoned. @throws OutputError */
  begin(): Promise<Place>;
  /** Writes a message that is there whole. @throws OutputError */
  keep(...chunks: readonly (string | Uint8Array)[]): Promise<void>;
  /** Nothing more is written: lets go of what is not finished. */
  close(): void;
}

/** Where one message is written to. */
export interface Place {
  /** Resolves when it is out of this process's hands. @throws OutputError */
  write(...chunks: readonly (string | Uint8Array)[]): Promise<void>;
  /** All of the message is there. @throws OutputError */
  finish(): Promise<void>;
  /** No more of it comes. Returns what there is left of it, to be told. */
  abandon(): Promise<string>;
}

/** Why a message cannot be kept; its sender gets the text, and the system's code. */
export class OutputError extends Error {
  override readonly name = "OutputError";
  readonly code: string | undefined;

  constructor(what: string, cause: unknown) {
    super(cause instanceof Error ? `${what}: ${cause.message}` : what, { cause });
    this.code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  }
}

type Write = Place["write"];

/** Writes a message in a place of its own. @throws OutputError */
export async function keepIn(sink: Sink, chunks: readonly (string | Uint8Array)[]): Promise<void> {
  const place = await sink.begin();
  try {
    await place.write(...chunks);
    await place.finish();
  } catch (error) {
    await place.abandon();
    throw error;
  }
}

/** One place for all messages: one after the other, so that the bytes of no two mix. */
class SharedSink implements Sink {
  readonly isShared = true;
  readonly #write: Write;
  readonly #isOrdered: boolean;
  #last: Promise<void> = Promise.resolve();
  /** How many have a place, or wait for one. */
  #places = 0;

  /** @param isOrdered whether a write may begin before the last is done, and comes after it all the same */
  constructor(write: Write, isOrdered: boolean) {
    this.#write = write;
    this.#isOrdered = isOrdered;
  }

  keep(...chunks: readonly (string | Uint8Array)[]): Promise<void> {
    return this.#isOrdered && this.#places === 0 ? this.#write(...chunks) : keepIn(this, chunks);
  }

  async begin(): Promise<Place> {
    const before = this.#last;
    let resolve = () => {};
    this.#last = new Promise((settle) => {
      resolve = settle;
    });
    this.#places++;
    const leave = () => {
      this.#places--;
      resolve();
    };
    await before;
    return {
      write: this.#write,
      finish: async () => leave(),
      abandon: async () => {
        leave();
        return "what had come of it is in the output";
      },
    };
  }

  close(): void {}
}

/** @param onBroken it takes nothing any more */
export function standardOutput(onBroken: (error: unknown) => void): Sink {
  return new SharedSink(async (...chunks) => {
    try {
      await write(process.stdout, ...chunks);
    } catch (error) {
      onBroken(error);
      throw new OutputError("nobody takes the server's output any more", undefined);
    }
  }, true);
}

/** Every message is added to a file, which is made if it is not there: for this user alone, as the socket is. */
export async function fileSink(path: string): Promise<Sink> {
  const { open } = await import("node:fs/promises");
  const file = await open(path, "a", 0o600);
  return new SharedSink((...chunks) => writeTo(file, path, chunks), false);
}

/** @throws OutputError */
export async function writeTo(file: FileHandle, path: string, chunks: readonly (string | Uint8Array)[]): Promise<void> {
  try {
    // It may take less than it was given; this asks again.
    for (const chunk of chunks) if (chunk.length > 0) await file.appendFile(chunk);
  } catch (error) {
    throw new OutputError(`cannot write to ${JSON.stringify(path)}`, error);
  }
}
