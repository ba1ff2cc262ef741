import { encodeControl, encodeWindow } from "../wire/encode.js";
import { encodeFailure, type FailureName } from "../wire/failure.js";
import { FrameType } from "../wire/frame.js";
import { encodeLane, type Lane } from "../wire/lane.js";
import { encodeSlab } from "../wire/loan.js";
import type { FramedMemory } from "./framed-options.js";
import type { Greetings } from "./handshake.js";
import type { SessionHost } from "./session.js";
import type { Loans } from "./slab.js";

const NOTHING = Buffer.alloc(0);

interface Queue {
  isWritable: boolean;
  pushControl(frame: Uint8Array): void;
  readonly controlBytes: number;
  flush(): void;
}

/** A frame that changes the way of those behind it. */
interface LaneFrame {
  readonly frame: Uint8Array;
  readonly descriptors: readonly number[];
  readonly sent: () => void;
}

/** What a session says that is not a message. */
export class ControlWriter {
  /** Set before anything is sent. */
  output: Queue | undefined;
  readonly #host: SessionHost;
  readonly #memory: FramedMemory;
  readonly #greetings: Greetings;
  #lanes: LaneFrame[] | undefined;

  constructor(host: SessionHost, memory: FramedMemory, greetings: Greetings) {
    this.#host = host;
    this.#memory = memory;
    this.#greetings = greetings;
  }

  /** The preface and HELLO, once. */
  sendGreeting(): void {
    if (this.#memory.hasGreeted) return;
    this.#memory.hasGreeted = true;
    this.send(this.#greetings.own);
  }

  sendReset(id: number, code: FailureName, text = "", remoteCode = ""): void {
    this.send(encodeFailure(FrameType.RESET, id, { code, text, remoteCode }));
  }

  /** @param lastId the last exchange of the other side that was or will be handled. */
  sendGoAway(lastId: number, code: FailureName, text: string): void {
    this.sendGreeting();
    this.send(encodeFailure(FrameType.GOAWAY, lastId, { code, text, remoteCode: "" }));
  }

  sendPong(payload: Uint8Array): void {
    this.send(encodeControl(FrameType.PONG, 0, payload));
  }

  /** The other side may send so many bytes more of an exchange. */
  sendWindow(id: number, bytes: number): void {
    this.send(encodeWindow(id, bytes));
  }

  /** This side reads no more of an exchange. */
  sendStop(id: number): void {
    this.send(encodeControl(FrameType.STOP, id, NOTHING));
  }

  /**
   * @param descriptors from now on this object's
   * @param sent called when it is with the transport, before anything else
   */
  sendLane(lane: Lane, descriptors: readonly number[], sent: () => void): void {
    this.#lanes ??= [];
    this.#lanes.push({ frame: encodeLane(lane), descriptors, sent });
    this.#host.requestFlush();
  }

  /** What has become of slabs since it was called last. */
  sendSlabs({ borrowing, lending }: Loans): void {
    for (const slab of borrowing.takeReturned()) this.output?.pushControl(encodeSlab(FrameType.RETURN, slab));
    for (const slab of lending.takeRetired()) this.output?.pushControl(encodeSlab(FrameType.RETIRE, slab));
  }

  /** Whether one is still to be sent. */
  get hasLanes(): boolean {
    return this.#lanes !== undefined;
  }

  /** Each is a write of its own, behind all that was said before it: what follows may go another way. */
  flushLanes(): void {
    const { output } = this;
    if (this.#lanes === undefined || output === undefined) return;
    if (output.controlBytes > 0) output.flush();
    for (let lane = this.#lanes[0]; output.isWritable && lane !== undefined; lane = this.#lanes[0]) {
      this.#lanes.shift();
      const { frame, descriptors, sent } = lane;
      output.isWritable = this.#host.write([frame], descriptors.length > 0 ? descriptors : undefined);
      sent();
    }
    if (this.#lanes.length === 0) this.#lanes = undefined;
  }

  /** Takes out the descriptors of those that will not leave any more. */
  dropLanes(): readonly number[] {
    const descriptors = (this.#lanes ?? []).flatMap((lane) => lane.descriptors);
    this.#lanes = undefined;
    return descriptors;
  }

  send(frame: Uint8Array): void {
    this.output?.pushControl(frame);
    this.#host.requestFlush();
  }
}
