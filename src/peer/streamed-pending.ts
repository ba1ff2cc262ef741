import type { Delivery, EarshotError, ErrorCode } from "../errors.js";
import type { Message } from "../message.js";
import type { IncomingStream } from "../session/incoming-stream.js";
import { OutgoingStream } from "../session/outgoing-stream.js";
import type { Body, FailureDetails, Request } from "../session/session.js";
import { Reader, Writer } from "./flow.js";
import { type Origin, Pending } from "./pending.js";
import { StreamedMessage } from "./streamed-message.js";

/** What its caller may want of it before it is over. */
interface Control {
  cancel(request: Request): void;
  /** Reads no more of the reply. */
  stop(request: Request): void;
}

/** How a reply is wanted: whole, where it was written, or bit by bit. */
export type ReplyKind = "message" | "borrowed" | "stream";

interface Settle {
  resolve(reply: Message | StreamedMessage): void;
  reject(error: EarshotError): void;
}

/** A caller's promise, where the message, the reply or both are streams. */
export class StreamedPending extends Pending {
  readonly reader: Reader;
  /** Of a message that is written bit by bit. */
  readonly writer: Writer | undefined;
  /** Called when it is over, and again right after if it failed: then with the reason, before who reads is told. */
  onEnded: ((error?: EarshotError) => void) | undefined;
  readonly #control: Control;
  readonly #settle: Settle;
  readonly #isBorrowed: boolean;
  #isOver = false;
  /** Why the caller breaks it off, where it is not its signal. */
  #reason: { readonly text: string; readonly remoteCode: string; readonly cause: unknown } | undefined;

  /**
   * @param body `undefined` if it is written to `writer`
   */
  constructor(origin: Origin, body: Body | undefined, reply: ReplyKind, control: Control, settle: Settle) {
    super(origin, body ?? "", settle.resolve, settle.reject);
    this.#control = control;
    this.reader = new Reader(() => this.#isOver || control.stop(this));
    this.#settle = settle;
    this.isStreamed = reply === "stream";
    this.#isBorrowed = reply === "borrowed";
    if (body === undefined) {
      this.outgoing = new OutgoingStream();
      this.writer = new Writer(this.outgoing, (_code, text, code, cause) => this.breakOff(text, cause, code));
    }
  }

  /** The caller wants no more of it. */
  breakOff(text: string, cause?: unknown, remoteCode = ""): void {
    if (this.#isOver) return;
    this.#reason ??= { text, cause, remoteCode };
    this.#control.cancel(this);
  }

  override get isBorrowed(): boolean {
    return this.#isBorrowed;
  }

  override get parting(): { readonly text: string; readonly remoteCode: string } | undefined {
    return this.#reason;
  }

  override onReply(message: Message, descriptors: readonly number[]): void {
    if (!this.isStreamed) {
      super.onReply(message, descriptors);
      return;
    }
    this.reader.give(message);
    this.#resolve(descriptors);
  }

  override onReplyStream(incoming: IncomingStream, descriptors: readonly number[]): void {
    this.reader.attach(incoming);
    this.#resolve(descriptors);
  }

  override onFailure(code: ErrorCode, fact: string, delivery: Delivery, details: FailureDetails = {}): void {
    this.#isOver = true;
    this.outgoing?.discard();
    const reason = code === "CANCELLED" ? this.#reason : undefined;
    const cause = reason === undefined ? details.cause : reason.cause;
    const error = this.settle(code, reason?.text ?? fact, delivery, { ...details, cause });
    this.#settle.reject(error);
    this.onEnded?.(error);
    this.reader.fail(error);
    this.writer?.fail(error);
  }

  override onOver(): void {
    this.#isOver = true;
    this.unlisten();
    this.onEnded?.();
  }

  #resolve(descriptors: readonly number[]): void {
    const { reader } = this;
    const leave = () => this.breakOff("the caller reads no more of the reply");
    this.#settle.resolve(new StreamedMessage({ reader, descriptors: this.receive(descriptors), leave }));
  }
}
