import { systemFact } from "../errors.js";
import type { LaneHost } from "../session/framed-options.js";
import type { Rings } from "../transport/rings.js";
import type { SharedTransport } from "../transport/shared.js";
import type { Link } from "../transport/shared-memory.js";
import { linkBytes } from "../transport/shared-memory.js";
import type { Transport, TransportEvents } from "../transport/transport.js";
import { type Hello, SHARED_FEATURE, SHARED_FIRST_FEATURE } from "../wire/hello.js";
import { type Lane as LaneFrame, LaneStep } from "../wire/lane.js";
import { ConnectionSlabs } from "./connection-slabs.js";
import type { Logger } from "./options.js";

/** A connection is worth a ring when so many reads, or bytes, came within a second. */
const WORTHY_READS = 64;
const WORTHY_BYTES = 1_048_576;
const WORTHY_WITHIN_MS = 1_000;
/** A connection on which nothing came for so long gives its ring back. */
const IDLE_MS = 5_000;

/** What the lanes of all connections of a server or client have in common. */
export interface LaneSetup {
  /** `"shared"`: from the first message on, and as long as the connection lives. */
  readonly lane: "auto" | "shared";
  readonly ringBytes: number;
  /** Of the other side's slabs, on a connection. */
  readonly maxBytes: number;
  readonly rings: Rings;
  readonly space: LaneSpace;
  readonly logger: Logger;
}

/** How much shared memory all connections may have together. */
export class LaneSpace {
  #freeBytes: number;

  constructor(maxBytes: number) {
    this.#freeBytes = maxBytes;
  }

  /** Returns false when there is not so much left. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#freeBytes += bytes;
  }
}

/** The connection, as a lane needs it. */
export interface LaneOwner extends TransportEvents {
  /** Changes with the lane. */
  transport: Transport;
  readonly lastActiveAt: number;
  /** Asks for a flush, and wakes one that rests. */
  readonly session: LaneSession | undefined;
}

/** Its session; only that of the framed wire can. */
interface LaneSession {
  readonly canChangeLane?: boolean;
  sendLane?(lane: LaneFrame, descriptors?: readonly number[]): void;
}

type State =
  | { readonly name: "unknown" | "socket" | "never" }
  | { readonly name: "offered"; readonly link: Link }
  | { readonly name: "ring"; readonly transport: SharedTransport; readonly leaving: "no" | "asked" | "done" };

/** Whether the bytes of a connection go through the socket or through shared memory. The server decides. */
export class Lane implements LaneHost {
  /** Where messages may be lent: to a process of the same user, who could look into this one anyway. */
  readonly slabs: ConnectionSlabs | undefined;
  readonly #setup: LaneSetup;
  readonly #role: "client" | "server";
  readonly #owner: LaneOwner;
  #state: State = { name: "unknown" };
  #isWanted = false;
  #triedAt = 0;
  #since = 0;
  #reads = 0;
  #bytes = 0;

  constructor(setup: LaneSetup, role: "client" | "server", owner: LaneOwner) {
    this.#setup = setup;
    this.#role = role;
    this.#owner = owner;
    const { slabs } = setup.rings;
    const maySee = slabs.isPossible && setup.rings.isSameUser(owner.transport);
    this.slabs = maySee ? new ConnectionSlabs({ ...setup, slabs }, owner, this) : undefined;
  }

  /** Whether bytes go through shared memory now. */
  get isShared(): boolean {
    return this.#state.name === "ring";
  }

  /** When `tick` wants to be called. */
  get deadline(): number {
    return Math.min(this.#ringDeadline(), this.slabs?.deadline ?? Infinity);
  }

  #ringDeadline(): number {
    const canLeave = this.#state.name === "ring" && this.#state.leaving === "no";
    if (!canLeave || this.#role !== "server" || this.#isWanted) return Infinity;
    return Math.max(this.#owner.lastActiveAt, this.#triedAt) + IDLE_MS;
  }

  greeted({ features }: Hello): void {
    const isPossible = features.includes(SHARED_FEATURE);
    this.#state = { name: isPossible ? "socket" : "never" };
    this.#isWanted = this.#setup.lane === "shared" || features.includes(SHARED_FIRST_FEATURE);
  }

  /** After anything has happened. @param received how many bytes have come */
  settle(session: LaneSession | undefined, received: number): void {
    if (this.#state.name === "socket") {
      if (this.#role === "server" && received > 0 && this.#isWorthy(received) && session?.canChangeLane === true)
        this.#offer(session);
    } else if (this.#state.name === "ring" && this.#state.leaving === "done") this.#release(this.#state.transport);
  }

  /** Nothing has come for long, or nothing was lent. */
  tick(now: number, session: LaneSession | undefined): void {
    if (now >= (this.slabs?.deadline ?? Infinity)) this.slabs?.leave(now);
    if (now >= this.#ringDeadline()) this.leave(now, session);
  }

  /** Gives the rings back. */
  leave(now: number, session: LaneSession | undefined): void {
    this.#triedAt = now;
    if (this.#state.name !== "ring" || session?.canChangeLane !== true) return;
    // One that has not begun to read the ring would find what follows in the middle of what it has still to read.
    if (!this.#state.transport.hasReader) return;
    this.#state = { ...this.#state, leaving: "asked" };
    session.sendLane?.({ step: LaneStep.SOCKET, ringBytes: 0 });
  }

  /** The connection is closed; a transport releases its rings by itself. */
  closed(): void {
    this.slabs?.closed();
    this.#endRings();
  }

  #endRings(): void {
    if (this.#state.name === "offered") this.#setup.rings.discard(this.#state.link);
    this.#giveBack();
    this.#state = { name: "never" };
  }

  onLane({ step, ringBytes }: LaneFrame, descriptors: readonly number[]): LaneStep | undefined {
    switch (step) {
      case LaneStep.OFFER:
        return this.#take(ringBytes, descriptors);
      case LaneStep.REFUSE:
        this.#endRings();
        return undefined;
      case LaneStep.RING:
        return this.#onRing();
      case LaneStep.SOCKET:
        return this.#onSocket();
    }
  }

  onLaneSent(step: LaneStep): void {
    if (this.#state.name !== "ring") return;
    if (step === LaneStep.RING) this.#state.transport.writeToRing();
    else if (step === LaneStep.SOCKET) {
      this.#state.transport.writeToSocket();
      if (this.#role === "client") this.#state = { ...this.#state, leaving: "done" };
    }
  }

  #isWorthy(bytes: number): boolean {
    if (this.#isWanted) return true;
    const { lastActiveAt } = this.#owner;
    if (lastActiveAt - this.#since > WORTHY_WITHIN_MS) {
      this.#since = lastActiveAt;
      this.#reads = 0;
      this.#bytes = 0;
    }
    this.#reads++;
    this.#bytes += bytes;
    return this.#reads >= WORTHY_READS || this.#bytes >= WORTHY_BYTES;
  }

  #offer(session: LaneSession): void {
    const { rings, ringBytes, space, logger } = this.#setup;
    this.#reads = 0;
    this.#bytes = 0;
    // While there is no space this is asked again and again; whose the connection is costs a handful of system calls.
    if (!space.take(linkBytes(ringBytes))) return;
    try {
      if (rings.isSameUser(this.#owner.transport)) {
        const { link, descriptors } = rings.make(ringBytes);
        this.#state = { name: "offered", link };
        session.sendLane?.({ step: LaneStep.OFFER, ringBytes }, descriptors);
        return;
      }
    } catch (error) {
      logger.debug({ error }, "no shared memory for a connection, which stays with its socket");
    }
    space.give(linkBytes(ringBytes));
    this.#state = { name: "never" };
  }

  /** The server has rings. */
  #take(ringBytes: number, descriptors: readonly number[]): LaneStep {
    const { rings, logger } = this.#setup;
    const { transport: socket } = this.#owner;
    let link: Link | undefined;
    let transport: SharedTransport | undefined;
    try {
      link = rings.open(ringBytes, descriptors);
      if (rings.isSameUser(socket)) transport = rings.share(socket, link);
    } catch (error) {
      logger.debug({ error }, "the server's shared memory is not taken; the connection stays with its socket");
    }
    if (transport === undefined) {
      if (link !== undefined) rings.discard(link);
      return LaneStep.REFUSE;
    }
    this.#use(transport);
    return LaneStep.RING;
  }

  #use(transport: SharedTransport): void {
    this.#state = { name: "ring", transport, leaving: "no" };
    transport.start(this.#owner);
    this.#owner.transport = transport;
  }

  /** What the other side says from now on is in the ring. */
  #onRing(): LaneStep | undefined {
    const state = this.#state;
    if (state.name === "offered") this.#use(this.#share(state.link));
    if (this.#state.name === "ring") this.#state.transport.readFromRing();
    return state.name === "offered" ? LaneStep.RING : undefined;
  }

  /** The other side has changed already: without the ring the connection ends. @throws EarshotError */
  #share(link: Link): SharedTransport {
    try {
      return this.#setup.rings.share(this.#owner.transport, link);
    } catch (error) {
      throw systemFact(error);
    }
  }

  #onSocket(): LaneStep | undefined {
    if (this.#state.name !== "ring") return undefined;
    this.#state.transport.readFromSocket();
    if (this.#role === "client") return LaneStep.SOCKET;
    this.#state = { ...this.#state, leaving: "done" };
    return undefined;
  }

  #release(transport: SharedTransport): void {
    const socket = transport.release(this.#owner);
    if (socket === undefined) return;
    this.#giveBack();
    this.#state = { name: "socket" };
    this.#owner.transport = socket;
  }

  #giveBack(): void {
    const { name } = this.#state;
    if (this.#role === "server" && (name === "offered" || name === "ring"))
      this.#setup.space.give(linkBytes(this.#setup.ringBytes));
  }
}
