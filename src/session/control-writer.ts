import { encodeControl, encodeWindow } from "../wire/encode.js";
import { encodeFailure, type FailureName } from "../wire/failure.js";
import { FrameType } from "../wire/frame.js";
import type { FramedMemory } from "./framed-options.js";
import type { Greetings } from "./handshake.js";
import type { SessionHost } from "./session.js";

const NOTHING = Buffer.alloc(0);

interface Queue {
  pushControl(frame: Uint8Array): void;
}

/** What a session says that is not a message. */
export class ControlWriter {
  /** Set before anything is sent. */
  output: Queue | undefined;
  readonly #host: SessionHost;
  readonly #memory: FramedMemory;
  readonly #greetings: Greetings;

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

  send(frame: Uint8Array): void {
    this.output?.pushControl(frame);
    this.#host.requestFlush();
  }
}
