import { EarshotError } from "../errors.js";
import { violation } from "../wire/decode.js";
import type { Failure } from "../wire/failure.js";
import { type Hello, LOANS_FEATURE, SHARED_FEATURE } from "../wire/hello.js";
import { LANE_DESCRIPTORS, type Lane } from "../wire/lane.js";
import type { Lend } from "../wire/loan.js";
import { Borrowing } from "./borrowing.js";
import type { ControlSink } from "./control-reader.js";
import type { ControlWriter } from "./control-writer.js";
import type { FramedMemory, FramedOptions } from "./framed-options.js";
import type { Sides } from "./framed-sides.js";
import { agree } from "./handshake.js";
import { Lanes } from "./lanes.js";
import { Lending } from "./lending.js";
import { Pings } from "./pings.js";
import type { Request, SessionHost } from "./session.js";
import type { Loans } from "./slab.js";

/** What a session does when it has greeted, and when no new exchanges are taken any more. */
export interface ControlOwner {
  onGreeted(): void;
  onGoAway(): void;
  /** Those of the frame that has just come. @throws EarshotError `PROTOCOL_VIOLATION` */
  takeDescriptors(count: number, limit: number): readonly number[];
}

/** What the other side says that is not a message, and what follows from it. */
export class Control implements ControlSink {
  /** Those that are not answered yet. */
  pings: Pings | undefined;
  readonly #options: FramedOptions;
  readonly #host: SessionHost;
  readonly #memory: FramedMemory;
  readonly #writer: ControlWriter;
  readonly #sides: Sides;
  readonly #owner: ControlOwner;

  constructor(options: FramedOptions, memory: FramedMemory, writer: ControlWriter, sides: Sides, owner: ControlOwner) {
    this.#options = options;
    this.#host = options.host;
    this.#memory = memory;
    this.#writer = writer;
    this.#sides = sides;
    this.#owner = owner;
  }

  ping(request: Request): void {
    this.pings ??= new Pings(this.#memory);
    this.#writer.send(this.pings.begin(request));
  }

  onPing(payload: Buffer): void {
    this.#writer.sendPong(payload);
  }

  onPong(payload: Buffer): void {
    this.pings?.onPong(payload);
  }

  onWindow(id: number, bytes: number): void {
    const { inbound, outbound, output } = this.#sides;
    const item = (inbound ?? outbound)?.find(id, "room for");
    if (item !== undefined) output.grant(item, bytes);
    this.#host.requestFlush();
  }

  onStop(id: number): void {
    const { inbound, outbound, output } = this.#sides;
    const item = (inbound ?? outbound)?.find(id, "an end to");
    if (item !== undefined) output.stop(item);
    this.#host.requestFlush();
  }

  onHello(payload: Buffer): void {
    if (this.#memory.isGreeted) throw violation("a second HELLO");
    const hello = this.#options.greetings.read(payload);
    this.#writer.sendGreeting();
    this.#memory.isSystemOnly = agree(this.#options.app, hello);
    if (this.#options.refusal !== undefined) throw this.#options.refusal;
    this.#memory.greeted(hello.limits);
    if (this.#options.lanes !== undefined && hello.features.includes(SHARED_FEATURE))
      this.#memory.lanes = new Lanes(this.#options.role);
    this.#agreeOnLoans(hello);
    this.#owner.onGreeted();
    this.#sides.outbound?.greeted();
    this.#host.onGreeting(hello);
  }

  #agreeOnLoans({ features, limits }: Hello): void {
    const { slabs } = this.#options;
    if (slabs === undefined || !features.includes(LOANS_FEATURE)) return;
    this.#memory.loans = { lending: new Lending(slabs, limits.loanBytes ?? 0), borrowing: new Borrowing(slabs) };
    slabs.onAgreed(this.#memory.loans);
  }

  #loans(): Loans {
    if (this.#memory.loans === undefined) throw violation("a frame of loans, which were not agreed on");
    return this.#memory.loans;
  }

  onLend(exchange: number, lend: Lend, count: number): void {
    const { borrowing } = this.#loans();
    borrowing.announce(exchange, lend, count, () => this.#owner.takeDescriptors(count, 1)[0] ?? -1);
  }

  onReturn(slab: number): void {
    this.#loans().lending.onReturn(slab);
  }

  onRetire(slab: number): void {
    this.#loans().borrowing.onRetire(slab);
  }

  onLane(lane: Lane, count: number, isLast: boolean): void {
    const { lanes } = this.#memory;
    const host = this.#options.lanes;
    if (lanes === undefined || host === undefined) throw violation("a LANE that was not agreed on");
    // What belongs to one that is refused is closed with the connection.
    lanes.receive(lane, count, isLast);
    const answer = host.onLane(lane, this.#owner.takeDescriptors(count, LANE_DESCRIPTORS));
    if (answer !== undefined) this.sendLane({ step: answer, ringBytes: 0 });
  }

  /** @param descriptors from now on the session's */
  sendLane(lane: Lane, descriptors: readonly number[] = []): void {
    this.#memory.lanes?.send(lane.step);
    this.#writer.sendLane(lane, descriptors, () => this.#options.lanes?.onLaneSent(lane.step));
  }

  onReset(id: number, failure: Failure): void {
    this.#sides.outbound?.onReset(id, failure);
    const exchange = this.#sides.inbound?.onReset(id);
    if (exchange === undefined) return;
    const text = failure.text === "" ? "" : `: ${failure.text}`;
    const remoteCode = failure.remoteCode === "" ? undefined : failure.remoteCode;
    this.#host.onCallerGone(exchange, new EarshotError(failure.code, `The caller has given up${text}`, { remoteCode }));
  }

  onGoAway(lastId: number, { code, text }: Failure): void {
    this.#sides.outbound?.refuseAfter(lastId, code, text);
    for (const ping of this.pings?.expire(Infinity) ?? []) ping.onFailure(code, text, "unsent");
    this.#owner.onGoAway();
    this.#host.onClosing(new EarshotError(code, text, { op: "receive" }));
  }
}
