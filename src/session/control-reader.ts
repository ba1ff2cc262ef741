import { type FrameDecoder, violation } from "../wire/decode.js";
import { decodeFailure, type Failure } from "../wire/failure.js";
import { FrameType, PING_BYTES, WINDOW_BYTES } from "../wire/frame.js";
import { decodeLane, type Lane } from "../wire/lane.js";
import { decodeLend, decodeSlab, type Lend } from "../wire/loan.js";

/** Who is told what a control frame says. */
export interface ControlSink {
  onHello(payload: Buffer): void;
  onReset(exchange: number, failure: Failure): void;
  onGoAway(lastId: number, failure: Failure): void;
  onWindow(exchange: number, bytes: number): void;
  onStop(exchange: number): void;
  /** @param isLast whether nothing came behind it with the same read */
  onLane(lane: Lane, descriptors: number, isLast: boolean): void;
  onLend(exchange: number, lend: Lend, descriptors: number): void;
  onReturn(slab: number): void;
  onRetire(slab: number): void;
  /** @param payload borrowed */
  onPing(payload: Buffer): void;
  /** @param payload borrowed */
  onPong(payload: Buffer): void;
}

/** Collects the payload of a control frame, nearly always in one part so that nothing is copied, and tells what it says. */
export class ControlReader {
  readonly #sink: ControlSink;
  #parts: Buffer[] = [];

  constructor(sink: ControlSink) {
    this.#sink = sink;
  }

  /** A part of the payload has come. @throws EarshotError `PROTOCOL_VIOLATION` */
  take(frame: FrameDecoder, bytes: Buffer, start: number, end: number): void {
    const part = bytes.subarray(start, end);
    if (frame.remaining > 0) {
      this.#parts.push(Buffer.from(part));
      return;
    }
    const payload = this.#parts.length === 0 ? part : Buffer.concat([...this.#parts, part]);
    this.#parts = [];
    if (frame.type === FrameType.LANE) {
      this.#sink.onLane(decodeLane(payload), frame.descriptors, end === bytes.length);
    } else if (frame.type > FrameType.LANE) this.#tellOfSlabs(frame, payload);
    else this.#tell(frame, payload);
  }

  #tellOfSlabs({ type, exchange, descriptors }: FrameDecoder, payload: Buffer): void {
    if (type === FrameType.LEND) this.#sink.onLend(exchange, decodeLend(payload), descriptors);
    else if (type === FrameType.RETURN) this.#sink.onReturn(decodeSlab(payload));
    else this.#sink.onRetire(decodeSlab(payload));
  }

  #tell({ type, exchange }: FrameDecoder, payload: Buffer): void {
    if (type === FrameType.HELLO) this.#sink.onHello(payload);
    else if (type === FrameType.RESET) this.#sink.onReset(exchange, decodeFailure(payload));
    else if (type === FrameType.GOAWAY) this.#sink.onGoAway(exchange, decodeFailure(payload));
    else if (type === FrameType.STOP) this.#sink.onStop(exchange);
    else if (type === FrameType.WINDOW) {
      assertLength(payload, WINDOW_BYTES, "WINDOW");
      this.#sink.onWindow(exchange, payload.readUInt32LE(0));
    } else {
      assertLength(payload, PING_BYTES, "PING or PONG");
      if (type === FrameType.PING) this.#sink.onPing(payload);
      else this.#sink.onPong(payload);
    }
  }
}

function assertLength(payload: Buffer, bytes: number, name: string): void {
  if (payload.length !== bytes) throw violation(`a ${name} of wrong length`);
}
