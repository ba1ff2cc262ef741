/** What a service manager does: it opens sockets, starts programs with them, and hears how these fare. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { loadNative, type Native, SOCK_DGRAM, SOCK_STREAM, WOULD_BLOCK } from "../../src/native/binding.js";
import { until } from "./children.js";
import { EARSHOT, Program } from "./process.js";
import { require } from "./tools.js";

/** Skips the test without the addon, which makes sockets that Node cannot: such as nobody accepts from, or for datagrams. */
export function requireNative(t: TestContext): Native | undefined {
  const loaded = loadNative();
  return require(t, "native" in loaded, "the native addon is not built") && "native" in loaded
    ? loaded.native
    : undefined;
}

/** A socket that is bound, and listens if it can, and from which this process takes nothing. Closed after the test. */
export function openSocket(t: TestContext, native: Native, name: string, type = SOCK_STREAM): number {
  const fd = native.socket(type);
  t.after(() => native.close(fd));
  native.bind(fd, Buffer.from(name.replace(/^@/, "\0")));
  if (type !== SOCK_DGRAM) native.listen(fd, 16);
  return fd;
}

export interface StartOptions {
  readonly transport: "native" | "net";
  /** As LISTEN_FDNAMES. */
  readonly names?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a program as systemd does: with the sockets as descriptors 3 and on, in a process that knows its own number. */
export function startWith(
  t: TestContext,
  descriptors: readonly number[],
  command: readonly string[],
  { transport, names, env }: StartOptions,
): Program {
  const variables = {
    ...process.env,
    EARSHOT_TRANSPORT: transport,
    LISTEN_FDS: String(descriptors.length),
    ...(names === undefined ? {} : { LISTEN_FDNAMES: names }),
    ...env,
  };
  const args = ["-c", 'LISTEN_PID=$$ exec "$@"', "sh", ...command];
  return new Program(t, "sh", args, { env: variables, descriptors });
}

/** The same with `earshot listen`; it may fail. */
export function listenWith(
  t: TestContext,
  descriptors: readonly number[],
  address: string,
  options: StartOptions,
  args: readonly string[] = [],
): Program {
  return startWith(t, descriptors, [process.execPath, EARSHOT, "listen", address, ...args], options);
}

/** The socket that NOTIFY_SOCKET names, and what comes to it. */
export class NotifySocket {
  readonly name: string;
  readonly told: string[] = [];
  readonly #native: Native;
  readonly #fd: number;

  constructor(t: TestContext, native: Native, kind: "path" | "abstract" = "path") {
    const directory = mkdtempSync(join(tmpdir(), "e-"));
    t.after(() => rmSync(directory, { recursive: true }));
    this.name = `${kind === "abstract" ? "@" : ""}${directory}/notify`;
    this.#native = native;
    this.#fd = openSocket(t, native, this.name, SOCK_DGRAM);
  }

  /** Takes what has come; returns everything so far. */
  read(): readonly string[] {
    const buffer = Buffer.alloc(4_096);
    for (;;) {
      const count = this.#native.read(this.#fd, buffer);
      if (count === WOULD_BLOCK) return this.told;
      this.told.push(buffer.toString("utf8", 0, count));
    }
  }

  async expect(...states: readonly string[]): Promise<void> {
    await until(() => this.read().length >= states.length, `the manager to be told ${states.join(", ")}`);
    assert.deepEqual(this.told, states);
  }
}
