import { createHash } from "node:crypto";
import { type EarshotError, failure } from "../errors.js";
import { Appearance } from "../transport/appearance.js";
import type { SocketTarget } from "../transport/resolve.js";
import { type StartFiles, startFiles, takeStart } from "../transport/starting.js";
import type { Transport } from "../transport/transport.js";
import { abortWith } from "./abort.js";
import { type Connect, isMissing } from "./start.js";
import type { CheckedStart } from "./start-options.js";
import { isRunning, StartedProcess, terminateGroup } from "./start-process.js";
import { MAX_TIMEOUT_MS } from "./time.js";

/** So often in a row others may fail who start something else. */
const MAX_FAILURES = 3;

/** What a starter says to those who wait. */
interface Word {
  /** Why it has failed; missing when the server is there. */
  readonly fact?: string;
  /** What it has started. */
  readonly what: string;
  /** It has given up, and leaves behind this process, which may still become the server. */
  readonly pid?: number;
}

/** A server that is started when nobody answers, once for all who ask. */
export class Daemon {
  readonly #connect: Connect;
  readonly #target: SocketTarget;
  readonly #start: CheckedStart;
  readonly #files: StartFiles;
  readonly #what: string;
  /** What has been started and may still become the server, by this caller or by one that has given up. */
  #pid: number | undefined;

  /** @param connect tries once; rejects with `NO_SERVER` if nobody answers */
  constructor(connect: Connect, target: SocketTarget, start: CheckedStart) {
    this.#connect = connect;
    this.#target = target;
    this.#start = start;
    this.#files = startFiles(target);
    const { command, args, cwd } = start;
    this.#what = createHash("sha256")
      .update(JSON.stringify([command, args, cwd]))
      .digest("hex");
  }

  /**
   * To be called when nobody has answered.
   *
   * @throws EarshotError `START_FAILED`, `CANCELLED`, and as `connect`
   */
  async reach(signal: AbortSignal | undefined): Promise<Transport> {
    const limit = new Limit(this.#start.readyTimeoutMs, signal);
    try {
      for (let failures = 0; ; ) {
        const start = await takeStart(this.#files, limit.signal);
        if (start.kind === "own") return await this.#lead(start, limit.signal);
        const transport = await this.#look(limit.signal);
        if (transport !== undefined) return transport;
        const { fact, what, pid } = readWord(start.word);
        if (what === this.#what && pid !== undefined) this.#pid = pid;
        if (fact === undefined) continue;
        if (what === this.#what || ++failures === MAX_FAILURES) throw this.#failed(fact);
      }
    } catch (error) {
      if (signal?.aborted) {
        const { text } = this.#target;
        throw failure("CANCELLED", "dial", text, "its signal was aborted", { cause: signal.reason });
      }
      if (error instanceof Late) {
        throw this.#failed(`another process starts it, and it was not ready after ${this.#start.readyTimeoutMs} ms`);
      }
      throw error;
    } finally {
      limit[Symbol.dispose]();
    }
  }

  /** Starts it, and tells the others. */
  async #lead(start: { tell(word: string): void; end(): Promise<void> }, signal: AbortSignal): Promise<Transport> {
    const tell = (word: Word) => start.tell(JSON.stringify(word));
    try {
      // Another one may have started it between this one's look and its turn.
      const transport = (await this.#look(signal)) ?? (await this.#await(signal)) ?? (await this.#launch(signal));
      tell({ what: this.#what });
      return transport;
    } catch (error) {
      if (error instanceof StartFailure) tell({ what: this.#what, fact: error.message });
      else if (this.#pid !== undefined) tell({ what: this.#what, pid: this.#pid });
      throw error instanceof StartFailure ? this.#failed(error.message, error.cause) : error;
    } finally {
      await start.end();
    }
  }

  /** Until what another caller has started answers; `undefined` if there is no such process any more. @throws StartFailure */
  async #await(signal: AbortSignal): Promise<Transport | undefined> {
    using appearance = new Appearance(this.#target);
    while (this.#pid !== undefined) {
      // Before the look: it may have ended because another one was faster.
      const isThere = isRunning(this.#pid);
      const transport = await this.#look(signal);
      if (transport !== undefined) return transport;
      if (!isThere) this.#pid = undefined;
      else if (signal.aborted && signal.reason instanceof Late) {
        terminateGroup(this.#pid);
        const { logFile = this.#files.log, readyTimeoutMs } = this.#start;
        const what = "the server was started by another caller, which has given up";
        const where = `what it has said is in ${JSON.stringify(logFile)}`;
        throw new StartFailure(`${what}, but after ${readyTimeoutMs} ms it is not ready, and was ended; ${where}`);
      } else {
        signal.throwIfAborted();
        await appearance.next(signal);
      }
    }
    return undefined;
  }

  /** @throws StartFailure */
  async #launch(signal: AbortSignal): Promise<Transport> {
    using appearance = new Appearance(this.#target);
    using started = new StartedProcess(this.#start, this.#files, () => appearance.change());
    for (;;) {
      // Before the look: it may have ended because another one was faster.
      const { fate } = started;
      this.#pid = fate.kind === "running" ? started.pid : undefined;
      const transport = fate.kind === "failed" ? undefined : await this.#look(signal);
      if (transport !== undefined) return transport;
      if (fate.kind === "failed") throw new StartFailure(fate.fact, { cause: fate.cause });
      if (fate.kind === "ended" && fate.isFailure) {
        throw new StartFailure(`the server was started and ${fate.how} before it was ready; ${started.lastWords}`);
      }
      // It has left, because nobody came while this process had to wait for the processor.
      if (fate.kind === "ended" && appearance.hasComeAndGone && !signal.aborted) return await this.#launch(signal);
      if (signal.aborted && signal.reason instanceof Late) {
        const how = fate.kind === "ended" ? `it ${fate.how}, and nobody answers` : "it is not ready, and was ended";
        const words = started.lastWords;
        started.terminate();
        throw new StartFailure(`the server was started, but after ${this.#start.readyTimeoutMs} ms ${how}; ${words}`);
      }
      signal.throwIfAborted();
      await appearance.next(signal);
    }
  }

  /** `undefined` if nobody answers. */
  async #look(signal: AbortSignal): Promise<Transport | undefined> {
    try {
      return await this.#connect(signal.aborted ? undefined : signal);
    } catch (error) {
      if (isMissing(error) || signal.reason instanceof Late) return undefined;
      throw error;
    }
  }

  #failed(fact: string, cause?: unknown): EarshotError {
    return failure("START_FAILED", "dial", this.#target.text, fact, { cause });
  }
}

/** What is told to all who wait. */
class StartFailure extends Error {}

class Late extends Error {}

/** A signal that aborts when another does, or when the time is up. */
class Limit implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #unlisten: () => void;

  constructor(ms: number, outer: AbortSignal | undefined) {
    this.#unlisten = abortWith(this.#controller, outer);
    // What is longer than Node's timers take is longer than anybody waits.
    if (ms > 0 && ms <= MAX_TIMEOUT_MS) this.#timer = setTimeout(() => this.#controller.abort(new Late()), ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#unlisten();
  }
}

/** One that is gone without a word says nothing. */
function readWord(text: string | undefined): Partial<Word> {
  try {
    const word = JSON.parse(text ?? "{}") as Partial<Word> | null;
    if (typeof word?.fact === "string") return word;
    // 0 and less mean more than one process: kill(2).
    if (word?.what === undefined || word.pid === undefined) return {};
    return Number.isSafeInteger(word.pid) && word.pid > 1 ? word : {};
  } catch {
    return {};
  }
}
