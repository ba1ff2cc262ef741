import { headBytes, MAX_HEAD_BYTES, writeHead, writeHeader } from "../wire/encode.js";
import { FIRST_WINDOW_BYTES, Flag, FrameType, HEADER_BYTES } from "../wire/frame.js";
import { writeLend } from "../wire/loan.js";
import type { Arena } from "./arena.js";
import { Fifo } from "./fifo.js";
import { headOf } from "./head.js";
import type { OwnSlab } from "./lending.js";
import { copyLoan, LoanChoice } from "./loan-choice.js";
import type { OutgoingStream } from "./outgoing-stream.js";
import type { OutputMemory, OutputOwner, Writer } from "./output-owner.js";
import type { Outgoing } from "./session.js";
import { type Turn, type TurnEnd, Turns } from "./turns.js";

/** Up to this size a body is copied next to its header: cheaper than one more vector. */
export const COPY_BYTES = 8_192;
/** Larger bodies leave in pieces of this size, so that others pass between them. */
export const PIECE_BYTES = 131_072;
/** Up to this size a body is one frame: so much is taken of each, whatever the other side has said. */
export const SINGLE_BYTES: number = FIRST_WINDOW_BYTES;
/** One write carries about this much. */
const WRITE_BYTES = 262_144;
const MAX_CHUNKS = 128;
/** UTF-8 takes at most this many bytes for each UTF-16 unit. */
const UTF8_MAX = 3;

/** Turns messages into frames and frames into few writes. Small ones go first, then pieces of large ones. */
export class Output<T extends Outgoing> {
  isWritable = true;
  /** Bytes of control frames that wait. */
  controlBytes = 0;

  readonly #arena: Arena;
  readonly #writer: Writer;
  readonly #owner: OutputOwner<T>;
  readonly #loans: LoanChoice<T>;
  /** In the write that is being gathered; most connections lend nothing. */
  #canLend = false;
  readonly #small = new Fifo<T>();
  #control: Uint8Array[] = [];
  readonly #turns = new Turns<T>();
  /** The last write had room for small ones only: the next begins with a large one, so that none waits for ever. */
  #isTurnDue = false;
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;
  #segmentStart = 0;
  /** Of the item whose frame begins the write that is being gathered. */
  #descriptors: readonly number[] | undefined;
  /** Of which something is on its way. */
  readonly #streams = new Set<OutgoingStream>();

  /** @param memory of a connection that may lend messages */
  constructor(arena: Arena, owner: OutputOwner<T>, writer: Writer, memory?: OutputMemory) {
    this.#arena = arena;
    this.#owner = owner;
    this.#writer = writer;
    this.#loans = new LoanChoice(owner.type, memory);
  }

  get isEmpty(): boolean {
    return this.#control.length === 0 && this.#small.size === 0 && this.#turns.isEmpty;
  }

  pushControl(frame: Uint8Array): void {
    this.#control.push(frame);
    this.controlBytes += frame.length;
  }

  push(item: T): void {
    if (item.isStopped) item.body = "";
    if (typeof item.body === "string" && item.body.length * UTF8_MAX > COPY_BYTES) item.body = Buffer.from(item.body);
    if (item.lender?.slab !== undefined && !this.#loans.canKeep(item, item.lender.slab)) copyLoan(item);
    this.#small.push(item);
  }

  /** There is more to send of an item that has begun, or more may be sent. */
  wake(item: T): void {
    this.#turns.wake(item);
  }

  /** The other side takes so many bytes more of an item. */
  grant(item: T, bytes: number): void {
    if (item.creditBytes < 0) return;
    item.creditBytes += bytes;
    this.wake(item);
  }

  /** The other side takes no more of an item, whether it has begun, waits, or is still to come: only its end is sent. */
  stop(item: T): void {
    item.isStopped = true;
    if (item.outgoing !== undefined) item.outgoing.stop();
    else if (item.lender?.slab !== undefined) item.letGo();
    else item.body = typeof item.body === "string" ? "" : item.body.subarray(0, item.sentBytes);
    this.wake(item);
  }

  /** What was pushed and has not begun. */
  waiting(): T[] {
    return [...this.#turns.waiting, ...this.#small.items()];
  }

  /** Takes back an item that is not out. */
  dropWaiting(item: T): void {
    if (!this.#turns.drop(item)) this.#small.drop(item);
  }

  /** Takes back a stream, whether it has begun or not, or was never pushed. */
  dropStream(item: T): void {
    if (!this.#turns.drop(item) && this.#small.items().includes(item)) this.#small.drop(item);
  }

  /** Takes back what is left of an item that has begun. */
  dropRest(item: T): void {
    this.#turns.drop(item);
  }

  /** Writes until the transport wants a pause or nothing is left. */
  flush(): void {
    while (this.isWritable && !this.isEmpty) {
      // (Clearing a set makes a new table, also for an empty one.)
      for (const stream of this.#streams) if (this.#streams.delete(stream)) stream.release();
      const done = this.#gather();
      if (this.#chunks.length > 0) this.#writeOut();
      for (const item of done) this.#owner.flushed(item);
    }
  }

  #writeOut(): void {
    const chunks = this.#chunks;
    this.#chunks = [];
    const descriptors = this.#descriptors;
    this.#descriptors = undefined;
    this.isWritable = this.#writer.write(chunks, descriptors);
    if (this.isWritable) this.#arena.reuse();
    else this.#arena.abandon();
  }

  /** Fills `#chunks` for one write; returns the items whose last frame is in it. */
  #gather(): T[] {
    const done: T[] = [];
    this.#canLend = this.#loans.isPossible;
    this.#chunkBytes = 0;
    this.#arena.ensure(COPY_BYTES + 2 * MAX_HEAD_BYTES);
    this.#segmentStart = this.#arena.used;
    for (const frame of this.#control) this.#put(frame);
    if (this.#control.length > 0) this.#control = [];
    this.controlBytes = 0;
    let hasTurns = this.#isTurnDue && this.#hasRoom() && this.#putTurn(done);
    while (this.#hasRoom()) {
      const item = this.#small.peek();
      if (item === undefined || (!this.#isEmptyWrite() && this.#loans.beginsWrite(item))) break;
      this.#small.shift();
      if (this.#putFirst(item)) done.push(item);
    }
    while (this.#hasRoom() && this.#putTurn(done)) hasTurns = true;
    this.#isTurnDue = !hasTurns && !this.#turns.isEmpty;
    this.#closeSegment();
    return done;
  }

  /** Puts a piece of the large item or stream whose turn it is; false when there is none, or not in this write. */
  #putTurn(done: T[]): boolean {
    const turn = this.#turns.next;
    if (turn === undefined || (turn.item.descriptors.length > 0 && !this.#isEmptyWrite())) return false;
    const end = this.#putPiece(turn);
    if (end === "done") done.push(turn.item);
    this.#turns.advance(turn, end);
    return true;
  }

  /** Descriptors go with the first byte of a write, which has to be the first of their frame. */
  #isEmptyWrite(): boolean {
    return this.#chunkBytes === 0 && this.#arena.used === this.#segmentStart;
  }

  #hasRoom(): boolean {
    const free = this.#arena.buffer.length - this.#arena.used;
    return (
      free >= COPY_BYTES + 2 * MAX_HEAD_BYTES && this.#chunkBytes < WRITE_BYTES && this.#chunks.length < MAX_CHUNKS
    );
  }

  /** Returns true when the whole item is out with this; a large one is only put in line. */
  #putFirst(item: T): boolean {
    const { body } = item;
    const slab = this.#canLend && this.#loans.mayLend(item) ? this.#loans.slabOf(item) : undefined;
    if (slab !== undefined) return this.#putLent(item, slab);
    if (body.length > SINGLE_BYTES || item.outgoing !== undefined) {
      this.#turns.push(item);
      return false;
    }
    const exchange = this.#owner.begin(item);
    const { buffer, used } = this.#arena;
    if (this.#isBare(item)) {
      const { type } = this.#owner;
      const bodyStart = used + HEADER_BYTES;
      const bodyBytes = typeof body === "string" ? buffer.write(body, bodyStart, "utf8") : body.length;
      writeHeader(buffer, used, type, Flag.END, bodyBytes, exchange);
      this.#arena.used = typeof body === "string" ? bodyStart + bodyBytes : bodyStart;
      if (typeof body !== "string") this.#put(body);
      return true;
    }
    const head = headOf(this.#owner, item, exchange, true, -1);
    this.#takeDescriptors(item);
    const { metaBytes } = item;
    if (typeof body === "string" && metaBytes === undefined) {
      const bodyBytes = buffer.write(body, used + headBytes(head), "utf8");
      this.#arena.used = writeHead(buffer, used, head, bodyBytes) + bodyBytes;
    } else {
      const bytes = typeof body === "string" ? Buffer.from(body) : body;
      this.#arena.used = writeHead(buffer, used, head, bytes.length);
      if (metaBytes !== undefined) this.#put(metaBytes);
      this.#put(bytes);
    }
    return true;
  }

  /** Says where the bytes are: with its descriptor, if the slab is new, it begins a write. */
  #putLent(item: T, slab: OwnSlab): boolean {
    const lend = { slab: slab.number, bytes: item.body.length };
    const exchange = this.#owner.begin(item);
    const descriptors = slab.lend();
    if (descriptors.length > 0) this.#descriptors = descriptors;
    const { buffer, used } = this.#arena;
    const head = writeLend(buffer, used, exchange, lend, descriptors.length);
    this.#arena.used = writeHead(buffer, head, headOf(this.#owner, item, exchange, true, -1), 0);
    if (item.metaBytes !== undefined) this.#put(item.metaBytes);
    return true;
  }

  /** Most have nothing to say but their bytes: then a header is all that it takes. */
  #isBare(item: T): boolean {
    if (item.descriptors.length > 0) return false;
    return (
      this.#owner.type === FrameType.DATA ||
      !(item.isSystem || item.isStreamed || item.metaBytes !== undefined || item.deadlineAt !== Infinity)
    );
  }

  /** Puts the next piece of a large item or a stream, if there is one that may leave. */
  #putPiece(turn: Turn<T>): TurnEnd {
    const { item } = turn;
    const { outgoing } = item;
    const isFirst = turn.exchange === undefined;
    turn.exchange ??= this.#owner.begin(item);
    const body = item.body as Uint8Array;
    const left = outgoing === undefined ? body.length - item.sentBytes : outgoing.queuedBytes;
    const most = item.creditBytes < 0 ? PIECE_BYTES - MAX_HEAD_BYTES : item.creditBytes;
    const bytes = Math.min(left, most, PIECE_BYTES - MAX_HEAD_BYTES);
    const isEnd = bytes === left && outgoing?.hasEnded !== false;
    if (bytes === 0 && !isEnd && !isFirst) return "dormant";
    const sizeBytes = outgoing === undefined ? body.length : -1;
    const head = isFirst
      ? headOf(this.#owner, item, turn.exchange, isEnd, sizeBytes)
      : { type: FrameType.DATA, exchange: turn.exchange, isEnd, deadlineMs: -1, sizeBytes: -1 };
    this.#takeDescriptors(item);
    this.#arena.used = writeHead(this.#arena.buffer, this.#arena.used, head, bytes);
    if (isFirst && item.metaBytes !== undefined) this.#put(item.metaBytes);
    if (outgoing !== undefined) {
      outgoing.take(bytes, this.#putStreamed);
      this.#streams.add(outgoing);
    } else if (bytes > 0) this.#reference(body.subarray(item.sentBytes, item.sentBytes + bytes));
    item.sentBytes += bytes;
    if (item.creditBytes >= 0) item.creditBytes -= bytes;
    if (isEnd) return "done";
    return item.creditBytes === 0 || outgoing?.queuedBytes === 0 ? "dormant" : "more";
  }

  readonly #putStreamed = (chunk: Uint8Array): void => this.#put(chunk);

  /** From now on they belong to the write. */
  #takeDescriptors(item: T): void {
    if (item.descriptors.length === 0) return;
    this.#descriptors = item.descriptors;
    item.descriptors = [];
  }

  /** Small ones are copied next to what is there: one vector less. */
  #put(bytes: Uint8Array): void {
    const { buffer, used } = this.#arena;
    if (bytes.length > COPY_BYTES || bytes.length > buffer.length - used) this.#reference(bytes);
    else {
      buffer.set(bytes, used);
      this.#arena.used += bytes.length;
    }
  }

  #reference(bytes: Uint8Array): void {
    this.#closeSegment();
    this.#chunks.push(bytes);
    this.#chunkBytes += bytes.length;
  }

  #closeSegment(): void {
    const end = this.#arena.used;
    if (end === this.#segmentStart) return;
    this.#chunks.push(this.#arena.view(this.#segmentStart, end));
    this.#chunkBytes += end - this.#segmentStart;
    this.#segmentStart = end;
  }
}
