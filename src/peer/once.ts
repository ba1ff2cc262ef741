import type { Message } from "../message.js";
import type { OutgoingStream } from "../session/outgoing-stream.js";
import type { Exchange } from "../session/session.js";
import type { FailureName } from "../wire/failure.js";
import type { AnswerPath } from "./answer-path.js";
import type { Deduplicator, Recorded } from "./deduplication.js";
import type { Logger } from "./options.js";
import { describe, isThenable } from "./reply.js";

const NONE: readonly number[] = [];
const EMPTY = new Uint8Array(0);

interface Parts {
  readonly memory: Deduplicator;
  readonly handling: { handle(path: AnswerPath, exchange: Exchange): void };
  /** The bytes of a message that no handler gets were only lent. */
  readonly takeBack: (message: Message) => void;
  readonly logger: Logger;
}

/** Messages that have an id: one that was handled is answered from memory, and one that is being handled is waited for. */
export class Once {
  readonly #parts: Parts;
  /** The caller's user and a colon. It stays the same for a connection, and to ask the kernel costs more than a small message. */
  readonly #prefixes = new WeakMap<AnswerPath, string>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  handle(path: AnswerPath, exchange: Exchange, id: string): void {
    const key = this.#prefixOf(path) + id;
    let known: ReturnType<Deduplicator["begin"]>;
    try {
      known = this.#parts.memory.begin(key);
    } catch (error) {
      this.#refuse(path, exchange, error);
      return;
    }
    if (isThenable(known)) void this.#handleLater(path, exchange, key, known);
    else this.#answer(path, exchange, key, known);
  }

  #prefixOf(path: AnswerPath): string {
    const known = this.#prefixes.get(path);
    if (known !== undefined) return known;
    const prefix = `${path.transport.credentials?.uid ?? ""}:`;
    this.#prefixes.set(path, prefix);
    return prefix;
  }

  async #handleLater(
    path: AnswerPath,
    exchange: Exchange,
    key: string,
    pending: PromiseLike<Recorded | undefined>,
  ): Promise<void> {
    let known: Recorded | undefined;
    try {
      known = await pending;
    } catch (error) {
      this.#refuse(path, exchange, error);
      return;
    }
    this.#answer(path, exchange, key, known);
  }

  #answer(path: AnswerPath, exchange: Exchange, key: string, known: Recorded | undefined): void {
    const { memory, handling, logger } = this.#parts;
    const isAwaited = exchange.state === "handling";
    if (known === undefined && isAwaited) {
      handling.handle(new RecordingPath(path, key, memory, logger), exchange);
      return;
    }
    this.#skip(path, exchange);
    if (known !== undefined) path.reply(exchange, known.reply, NONE);
    else {
      // Its caller has gone while it waited for another.
      memory.forget(key);
      path.fail(exchange, "CANCELLED", "");
    }
  }

  /** Nobody knows whether it was handled: so it is not. */
  #refuse(path: AnswerPath, exchange: Exchange, error: unknown): void {
    this.#parts.logger.error({ peer: path.id, error }, "the memory of finished messages failed");
    this.#skip(path, exchange);
    const text = `it was not handled: ${reasonOf(error)}`;
    // A memory that is full will have room again: nothing is wrong with the message.
    if (codeOf(error) === "STORE_FULL") path.fail(exchange, "OVERLOADED", text);
    else path.fail(exchange, "HANDLER_FAILED", text, codeOf(error));
  }

  /** No handler gets it, nor what came with it. */
  #skip(path: AnswerPath, { received, incoming, message }: Exchange): void {
    path.closeDescriptors(received);
    incoming?.stop();
    if (message !== undefined) this.#parts.takeBack(message);
  }
}

/** Remembers a reply before it leaves. */
class RecordingPath implements AnswerPath {
  readonly id: number;
  readonly transport: AnswerPath["transport"];
  readonly lane: AnswerPath["lane"];
  readonly #path: AnswerPath;
  readonly #key: string;
  readonly #memory: Deduplicator;
  readonly #logger: Logger;
  #isSettled = false;

  constructor(path: AnswerPath, key: string, memory: Deduplicator, logger: Logger) {
    this.id = path.id;
    this.transport = path.transport;
    this.lane = path.lane;
    this.#path = path;
    this.#key = key;
    this.#memory = memory;
    this.#logger = logger;
  }

  get wire(): AnswerPath["wire"] {
    return this.#path.wire;
  }

  reply(exchange: Exchange, body: string | Uint8Array, descriptors: readonly number[]): void {
    if (descriptors.length > 0) {
      // Open files can be given once only.
      this.#forget();
      this.#path.reply(exchange, body, descriptors);
      return;
    }
    if (this.#isSettled) return;
    this.#isSettled = true;
    // A copy: what the handler gave it may use again when the reply is out.
    const reply = body.length === 0 ? EMPTY : Buffer.from(body as string);
    let recording: void | Promise<void>;
    try {
      recording = this.#memory.finish(this.#key, { reply });
    } catch (error) {
      this.#lose(exchange, error);
      return;
    }
    if (!isThenable(recording)) this.#path.reply(exchange, body, NONE);
    else {
      recording.then(
        () => this.#path.reply(exchange, reply, NONE),
        (error: unknown) => this.#lose(exchange, error),
      );
    }
  }

  replyStream(exchange: Exchange, outgoing: OutgoingStream, descriptors: readonly number[]): void {
    this.#path.replyStream(exchange, outgoing, descriptors);
  }

  /** What was streamed is not kept. */
  endReply(exchange: Exchange): void {
    this.#forget();
    this.#path.endReply(exchange);
  }

  fail(exchange: Exchange, code: FailureName, text: string, remoteCode?: string): void {
    this.#forget();
    this.#path.fail(exchange, code, text, remoteCode);
  }

  closeDescriptors(descriptors: readonly number[]): void {
    this.#path.closeDescriptors(descriptors);
  }

  /** It was handled, but a repetition would be handled again: its sender must not take it for done. */
  #lose(exchange: Exchange, error: unknown): void {
    this.#logger.error({ peer: this.id, error }, "a message was handled, but that could not be remembered");
    this.#memory.forget(this.#key);
    const text = `it was handled, but that could not be remembered: ${reasonOf(error)}`;
    this.#path.fail(exchange, "HANDLER_FAILED", text, codeOf(error));
  }

  #forget(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#memory.forget(this.#key);
  }
}

function reasonOf(error: unknown): string {
  return describe(error instanceof Error ? error.message : error);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}
