import type { Writable } from "node:stream";

/** Writes all of it; resolves when it is out of this process's hands, rejects when it cannot get there. */
export function write(stream: Writable, ...chunks: readonly (string | Uint8Array)[]): Promise<void> {
  // The promise tells what happened; without a listener the process would end over it.
  if (stream.listenerCount("error") === 0) stream.on("error", () => {});
  return new Promise((resolve, reject) => {
    const onDone = (error: Error | null | undefined) => (error ? reject(error) : resolve());
    const last = chunks.length - 1;
    stream.cork();
    for (const [index, chunk] of chunks.entries()) stream.write(chunk, index === last ? onDone : undefined);
    stream.uncork();
  });
}

/** True when nobody reads the output any more, as with `| head -1`: a reason to end, not an error. */
export function isBrokenPipe(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED";
}

/** As one line that cannot make a terminal do things: what other programs say goes through here. */
export function toLine(text: string): string {
  return text.replace(/\s+/g, " ").replace(/\p{Cc}/gu, (control) => {
    return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
