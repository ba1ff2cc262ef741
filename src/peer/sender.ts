import type { Message } from "../message.js";
import type { Body, Request } from "../session/session.js";
import { type Chunks, isChunks, pump, type SourceError } from "./chunks.js";
import type { Retry } from "./client-state.js";
import { duplicateAll } from "./descriptor.js";
import { GivingUp } from "./giving-up.js";
import type { Line } from "./line.js";
import { Loan } from "./loan.js";
import { checkMeta, randomId } from "./meta.js";
import { checkChoice, checkRetry, checkSignal, checkTimeout } from "./options.js";
import { checkBody, type Origin, Pending, type WaitOptions } from "./pending.js";
import type { Redial } from "./redial.js";
import { Repeated, type Settle } from "./repeated.js";
import type { OpenOptions, SendOptions, StreamSendOptions } from "./send-options.js";
import type { StreamedMessage } from "./streamed-message.js";
import { type ReplyKind, StreamedPending } from "./streamed-pending.js";

/** Who waits by other means than a promise. */
const NOBODY: Settle = { resolve() {}, reject() {} };

/** Puts requests on a client's line, as their options say. */
export class Sender {
  readonly #line: Line;
  readonly #origin: Origin;
  /** What becomes of those that say nothing else. */
  readonly retry: Retry;

  constructor(line: Line, origin: Origin, retry: Retry) {
    this.#line = line;
    this.#origin = origin;
    this.retry = retry;
  }

  readonly #giveUp = (request: Request): void => this.#line.cancel(request, "CANCELLED");

  readonly #givingUp = new GivingUp(this.#giveUp);

  readonly #control = { cancel: this.#giveUp, stop: (request: Request) => this.#line.stop(request) };

  /** A request that is sent once. @param loan that it takes with it, once its options are known to be right */
  begin(pending: Pending, options: SendOptions | StreamSendOptions | undefined, loan?: Loan): void {
    const isWanted = options === undefined || this.#prepare(pending, options);
    if (loan !== undefined) Loan.send(loan, pending);
    if (isWanted) this.#line.send(pending);
    else pending.letGo();
  }

  /** One that is sent by a policy, or only once where that is `false`. */
  persist(origin: Origin, body: Body, options: SendOptions & { readonly retry: Retry }, settle: Settle): void {
    const make = ({ resolve, reject }: Settle) => new Pending(origin, body, resolve, reject);
    if (checkRetry(options.retry) === false) this.begin(make(settle), options);
    else this.#repeat(make, options, origin, settle);
  }

  /** One whose message or reply is a stream, or lent. */
  stream(
    data: string | Uint8Array | Chunks | Loan,
    options: SendOptions | StreamSendOptions,
  ): Promise<Message | StreamedMessage> {
    return new Promise((resolve, reject) => {
      const reply = checkChoice<ReplyKind>("body", options.body, ["message", "borrowed", "stream"]);
      const retry = checkRetry(options.retry ?? this.retry);
      const make = (body: Body | undefined, settle: Settle) =>
        new StreamedPending(this.#origin, body, reply, this.#control, settle);
      if (data instanceof Loan) {
        Loan.assertOpen(data);
        if (retry === false) this.begin(make("", { resolve, reject }), options, data);
        else {
          // What may have to go again has to be there still. Not sooner than the other options are known to be right.
          let copy: Body | undefined;
          const makeCopied = (settle: Settle) => {
            copy ??= Loan.copy(data);
            return make(copy, settle);
          };
          this.#repeat(makeCopied, { ...options, retry }, this.#origin, { resolve, reject });
        }
        return;
      }
      if (!isChunks(data)) {
        const body = checkBody(data, "this message");
        if (retry === false) this.begin(make(body, { resolve, reject }), options);
        else this.#repeat((settle) => make(body, settle), { ...options, retry }, this.#origin, { resolve, reject });
        return;
      }
      const pending = make(undefined, { resolve, reject });
      const { writer } = pending;
      if (writer === undefined) throw new Error("a message without a body has a writer");
      const begin = () => {
        pump(data, writer).catch((error: SourceError) => pending.breakOff(error.message, error.cause));
      };
      if (retry === false) {
        this.begin(pending, options);
        begin();
      } else if (this.#prepare(pending, identified({ ...options, retry }))) this.#line.persist(pending, begin);
    });
  }

  /**
   * An exchange whose reply comes bit by bit; so does the message, where there is no body: what is written before there is a
   * connection waits for it.
   */
  exchange(origin: Origin, body: Body | undefined, options: OpenOptions | undefined): StreamedPending {
    const pending = this.streamed(origin, body);
    const retry = checkRetry(options?.retry ?? this.retry);
    if (options !== undefined && !this.limit(pending, options)) return pending;
    if (retry === false) this.#line.send(pending);
    else this.#line.persist(pending);
    return pending;
  }

  /** The same, not sent yet. */
  streamed(origin: Origin, body: Body | undefined, settle: Settle = NOBODY): StreamedPending {
    return new StreamedPending(origin, body, "stream", this.#control, settle);
  }

  /**
   * A request that waits for a connection, whenever that comes.
   *
   * @param delayMs not before; for one that follows another, which may have been the first sign that the connection is gone
   */
  wait(pending: Pending, options: WaitOptions, delayMs?: number): void {
    if (!this.limit(pending, options)) return;
    if (delayMs === undefined) this.#line.persist(pending);
    else this.#line.repeat(pending, delayMs);
  }

  /** Whether there is one connection, and no other when that is lost. */
  get isSingle(): boolean {
    return this.#line.isSingle;
  }

  /** When the line connects again, and its time. */
  get redial(): Redial {
    return this.#line.redial;
  }

  /** Returns false when it was over before it began. */
  limit(pending: Pending, { timeoutMs, signal }: WaitOptions): boolean {
    const isAborted = checkSignal(signal)?.aborted === true;
    pending.limit(checkTimeout("timeoutMs", timeoutMs), signal, this.#givingUp);
    if (isAborted) pending.onFailure("CANCELLED", "", "unsent");
    return !isAborted;
  }

  /** Returns false when it was over before it began. */
  #prepare(pending: Pending, options: SendOptions | StreamSendOptions): boolean {
    if (options.id !== undefined || options.headers !== undefined) pending.metaBytes = checkMeta(options);
    if (options.descriptors !== undefined) {
      // Before anything is opened: what throws later would leave it open.
      checkTimeout("timeoutMs", options.timeoutMs);
      checkSignal(options.signal);
      pending.descriptors = duplicateAll(this.#origin.table, options.descriptors);
    }
    return this.limit(pending, options);
  }

  #repeat(
    make: (settle: Settle) => Pending,
    options: (SendOptions | StreamSendOptions) & { readonly retry: Retry },
    { table }: Origin,
    settle: Settle,
  ): void {
    const policy = checkRetry(options.retry);
    if (policy === false) throw new Error("a message is repeated only by a policy");
    const timeoutMs = checkTimeout("timeoutMs", options.timeoutMs);
    const signal = checkSignal(options.signal);
    const metaBytes = checkMeta(identified(options));
    const descriptors = options.descriptors === undefined ? [] : duplicateAll(table, options.descriptors);
    const own = { metaBytes, descriptors, table, timeoutMs, signal, givingUp: this.#givingUp };
    new Repeated({ line: this.#line, policy, make, settle, ...own }).begin();
  }
}

/** What may be handled twice is known by its id. */
function identified<T extends SendOptions | StreamSendOptions>(options: T): T {
  if (options.retry !== "idempotent" || options.id !== undefined) return options;
  return { ...options, id: randomId() };
}
