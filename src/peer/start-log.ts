import { closeSync, constants, fstatSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemCode } from "../errors.js";

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
const MODE = 0o600;
/** So much of its end is told with an error. */
const TAIL_BYTES = 2_048;
const TAIL_LINES = 20;

/** What a started process says: a file, because a pipe would break, and the process with it, when its starter ends. */
export class StartLog implements Disposable {
  /** For the process's standard output and error. */
  readonly fd: number;
  /** Where to read on; `undefined` where it has no name. */
  readonly path: string | undefined;
  readonly #from: number;

  private constructor(fd: number, path: string | undefined) {
    this.fd = fd;
    this.path = path;
    this.#from = fstatSync(fd).size;
  }

  /** Adds to a file of the user's. @throws the system's error */
  static add(path: string): StartLog {
    return new StartLog(openSync(path, O_RDWR | O_APPEND | O_CREAT, MODE), path);
  }

  /** Replaces what the last process has said. @throws the system's error */
  static replace(path: string): StartLog {
    try {
      // Never what somebody else has put there, nor where a link leads.
      rmSync(path, { force: true });
      return new StartLog(openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, MODE), path);
    } catch {
      // Where no file can be made no server can listen: that it says so shall be read all the same.
      return StartLog.#withoutName();
    }
  }

  static #withoutName(): StartLog {
    const directory = mkdtempSync(join(tmpdir(), "earshot-"));
    try {
      return new StartLog(openSync(join(directory, "log"), O_RDWR | O_APPEND | O_CREAT, MODE), undefined);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** The last lines of what was said since it was opened; empty if there is nothing, or if it is no file. Never throws. */
  tail(): string {
    try {
      const { size } = fstatSync(this.fd);
      const from = Math.max(this.#from, size - TAIL_BYTES);
      const bytes = Buffer.alloc(Math.max(0, size - from));
      const count = readSync(this.fd, bytes, 0, bytes.length, from);
      return printable(bytes.toString("utf8", 0, count))
        .trim()
        .split("\n")
        .slice(-TAIL_LINES)
        .join("\n");
    } catch (error) {
      return `(its log cannot be read: ${systemCode(error) ?? "unknown"})`;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/** It is shown on terminals. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{C}\n\t]/gu, "");
}
