import type { EarshotError } from "../errors.js";
import { FIRST_WINDOW_BYTES } from "../wire/frame.js";
import type { Hello } from "../wire/hello.js";
import type { Lane, LaneStep } from "../wire/lane.js";
import type { Arena } from "./arena.js";
import type { BodyMemory } from "./body-memory.js";
import type { ControlWriter } from "./control-writer.js";
import type { Greetings } from "./handshake.js";
import type { BodyReader } from "./incoming.js";
import type { Lanes } from "./lanes.js";
import type { OwnApp, SessionHost, SessionLimits } from "./session.js";
import type { Loans, SlabHost } from "./slab.js";
import type { Streams } from "./streams.js";

export interface FramedOptions {
  readonly role: "client" | "server";
  readonly host: SessionHost;
  readonly limits: SessionLimits;
  readonly greetings: Greetings;
  readonly app: OwnApp;
  readonly arena: Arena;
  /** Where large messages are only lent to their handlers. */
  readonly bodies?: BodyMemory | undefined;
  /** Why a server has no place for this connection; said when both have greeted. */
  readonly refusal?: EarshotError | undefined;
  /** Of a session on the same connection that was let go because it rested. */
  readonly memory?: FramedMemory | undefined;
  /** Where there is a second way for bytes. */
  readonly lanes?: LaneHost | undefined;
  /** Where messages may be lent, which the greeting says. */
  readonly slabs?: SlabHost | undefined;
}

/** Who has the second way for bytes. None of these calls back into the session before it returns. */
export interface LaneHost {
  /**
   * The other side says this, which suits what was said before.
   *
   * @param descriptors from now on the host's
   * @returns what to answer
   */
  onLane(lane: Lane, descriptors: readonly number[]): LaneStep | undefined;
  /** It is with the transport, and nothing else is. */
  onLaneSent(step: LaneStep): void;
}

/** What those who keep exchanges share. */
export interface ExchangeParts {
  readonly host: SessionHost;
  readonly limits: SessionLimits;
  readonly memory: FramedMemory;
  readonly reader: BodyReader;
  readonly writer: ControlWriter;
  readonly streams: Streams;
}

/** All that has to be known of a connection while nothing happens on it. */
export class FramedMemory {
  /** Whether this side has greeted, and whether the other side's HELLO has come and suits. */
  hasGreeted = false;
  isGreeted = false;
  /** Whether the other side has said that all its messages are SYSTEM. */
  isSystemOnly = false;
  /** The highest exchange so far. */
  lastId = 0;
  /** The number of the last ping. */
  lastPing = 0;
  /** What the other side takes; known from its HELLO on. */
  peerMaxMessageBytes: number | undefined = undefined;
  peerMaxInFlight: number | undefined = undefined;
  peerMaxDescriptors: number | undefined = undefined;
  /** How much of a message it takes at first; -1 for all. */
  peerWindowBytes: number = FIRST_WINDOW_BYTES;
  /** Where both sides have a second way for bytes. */
  lanes: Lanes | undefined = undefined;
  /** Where both sides take loans. */
  loans: Loans | undefined = undefined;

  /** The other side has said what it takes. */
  greeted(limits: Hello["limits"]): void {
    this.isGreeted = true;
    this.peerMaxMessageBytes = limits.maxMessageBytes;
    this.peerMaxInFlight = limits.maxInFlight;
    this.peerMaxDescriptors = limits.maxDescriptors ?? 0;
    this.peerWindowBytes = limits.windowBytes ?? -1;
  }
}
