import assert from "node:assert/strict";
import type { Delivery, EarshotError, ErrorCode } from "../../src/errors.js";
import type { Message } from "../../src/message.js";
import type { IncomingStream } from "../../src/session/incoming-stream.js";
import { type Body, type Exchange, type FailureDetails, Request, type SessionHost } from "../../src/session/session.js";
import type { Hello } from "../../src/wire/hello.js";
import { FakeClock } from "./clock.js";

/** What became of a request, short enough to compare: `"reply hello"`, `"TIMEOUT unknown"`. */
export class FakeRequest extends Request {
  readonly outcomes: string[] = [];
  reply: Message | undefined;
  stream: IncomingStream | undefined;
  received: readonly number[] = [];
  fact = "";
  /** How often it was told that both of its directions are over. */
  overs = 0;
  details: FailureDetails | undefined;
  readonly #onSettled: (() => void) | undefined;

  constructor(body: Body, deadlineAt = Infinity, onSettled?: () => void) {
    super();
    this.body = body;
    this.deadlineAt = deadlineAt;
    this.#onSettled = onSettled;
  }

  /** Empty while it is not settled; two outcomes never equal one. */
  get outcome(): string {
    return this.outcomes.join(", ");
  }

  override onReply(message: Message, descriptors: readonly number[]): void {
    this.reply = message;
    this.received = descriptors;
    this.outcomes.push(message.byteLength > 100 ? `reply of ${message.byteLength}` : `reply ${message.text()}`);
    this.#onSettled?.();
  }

  override onReplyStream(incoming: IncomingStream, descriptors: readonly number[]): void {
    this.stream = incoming;
    this.received = descriptors;
    this.outcomes.push("stream");
    this.#onSettled?.();
  }

  override onOver(): void {
    this.overs++;
  }

  override onFailure(code: ErrorCode, fact: string, delivery: Delivery, details?: FailureDetails): void {
    this.fact = fact;
    this.details = details;
    this.outcomes.push(`${code} ${delivery}`);
    this.#onSettled?.();
  }
}

/** What a session asks of its host, written down; whether a write leaves at once is for the test to say. */
export class FakeHost implements SessionHost {
  readonly clock: FakeClock;
  /** Everything but writes, in order. */
  readonly events: string[] = [];
  readonly exchanges: Exchange[] = [];
  readonly hellos: Hello[] = [];
  /** Each write that is out, whole. */
  readonly writes: Buffer[] = [];
  /** The descriptors that nobody wanted. */
  readonly closed: number[] = [];
  /** The descriptors that went out with a write, and at which byte of all. */
  readonly sentDescriptors: { readonly at: number; readonly descriptors: readonly number[] }[] = [];
  /** Those of a write, once it is out. */
  readonly descriptorsOf = new WeakMap<Uint8Array, readonly number[]>();
  isWritable = true;
  isFlushRequested = false;
  /** Set by the test when it calls `lost`: from then on nothing may be written, nor begin. */
  isLost = false;
  isEnded = false;
  isAborted = false;
  error: EarshotError | undefined;
  /** What to do with a message at once, as servers with synchronous handlers do. */
  onMessage: ((exchange: Exchange) => void) | undefined;
  #held: { readonly chunk: Uint8Array; readonly copy: Buffer }[] = [];
  #heldDescriptors: readonly number[] = [];

  constructor(clock = new FakeClock()) {
    this.clock = clock;
  }

  now(): number {
    return this.clock.now();
  }

  /** Everything that is out. */
  get written(): Buffer {
    return Buffer.concat(this.writes);
  }

  get isBlocked(): boolean {
    return this.#held.length > 0;
  }

  /** Takes out what was written since the last call. */
  takeWrites(): Buffer[] {
    return this.writes.splice(0);
  }

  write(chunks: readonly Uint8Array[], descriptors: readonly number[] = []): boolean {
    if (descriptors.length > 0) this.sentDescriptors.push({ at: this.written.length, descriptors });
    assert.ok(!this.isLost, "a write after lost");
    assert.ok(!this.isEnded, "a write after end");
    assert.ok(!this.isBlocked, "a write before the drain");
    assert.ok(chunks.length > 0, "a write of nothing");
    const copies = chunks.map((chunk) => Buffer.from(chunk));
    if (this.isWritable) {
      this.#push(copies, descriptors);
      return true;
    }
    this.#heldDescriptors = descriptors;
    this.#held = chunks.map((chunk) => ({ chunk, copy: Buffer.from(chunk) }));
    return false;
  }

  /** What waited inside is out; the caller then calls the session's `drained`. */
  drain(): void {
    for (const { chunk, copy } of this.#held) {
      assert.ok(copy.equals(chunk), "a buffer was changed while the transport still had it");
    }
    this.#push(
      this.#held.map(({ copy }) => copy),
      this.#heldDescriptors,
    );
    this.#held = [];
  }

  #push(copies: readonly Buffer[], descriptors: readonly number[]): void {
    const bytes = Buffer.concat(copies);
    this.writes.push(bytes);
    if (descriptors.length > 0) this.descriptorsOf.set(bytes, descriptors);
  }

  closeDescriptors(descriptors: readonly number[]): void {
    this.closed.push(...descriptors);
  }

  requestFlush(): void {
    this.isFlushRequested = true;
  }

  end(): void {
    assert.ok(!this.isEnded, "a second end");
    this.isEnded = true;
    this.events.push("end");
  }

  abort(error: EarshotError | undefined): void {
    this.isAborted = true;
    this.error ??= error;
    this.events.push(`abort ${error?.code ?? "quietly"}`);
  }

  onGreeting(hello: Hello): void {
    this.hellos.push(hello);
    this.events.push(`greeting ${hello.app?.name ?? "anonymous"}`);
  }

  onExchange(exchange: Exchange): void {
    assert.ok(!this.isLost, "an exchange after lost");
    assert.ok(!this.exchanges.includes(exchange), "an exchange that comes twice");
    this.exchanges.push(exchange);
    this.events.push(`exchange ${exchange.id} ${contentOf(exchange)}`);
    this.onMessage?.(exchange);
  }

  onCallerGone(exchange: Exchange, error: EarshotError): void {
    this.events.push(`caller of ${exchange.id} gone: ${error.code}`);
  }

  onClosing(error: EarshotError): void {
    this.events.push(`closing ${error.code}`);
  }
}

/** A message comes whole, or else as a stream; never as both, nor as neither. */
function contentOf({ message, incoming }: Exchange): string {
  assert.equal(message === undefined, incoming !== undefined);
  if (message === undefined) return "as a stream";
  return message.byteLength > 100 ? `of ${message.byteLength}` : JSON.stringify(message.text());
}
