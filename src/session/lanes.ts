import { violation } from "../wire/decode.js";
import { type Lane, LaneStep } from "../wire/lane.js";

/** `offered`: nobody has changed. `changing`: the caller has. `leaving`: the server has left the rings, the caller not yet. */
type State = "socket" | "offered" | "changing" | "ring" | "leaving";

const { OFFER, REFUSE, RING, SOCKET } = LaneStep;
/** What may be said, by whom, and where it leads. The server leads. */
const STEPS: Readonly<Record<State, readonly (readonly ["client" | "server", LaneStep, State])[]>> = {
  socket: [["server", OFFER, "offered"]],
  offered: [
    ["client", REFUSE, "socket"],
    ["client", RING, "changing"],
  ],
  changing: [["server", RING, "ring"]],
  ring: [["server", SOCKET, "leaving"]],
  leaving: [["client", SOCKET, "socket"]],
};

/** By which way each direction of a connection goes, and what is being agreed on about it. */
export class Lanes {
  readonly #role: "client" | "server";
  #state: State = "socket";

  constructor(role: "client" | "server") {
    this.#role = role;
  }

  /** Whether no change is under way, so that a server may begin one. */
  get isSettled(): boolean {
    return this.#state === "socket" || this.#state === "ring";
  }

  /**
   * The other side has said this.
   *
   * @param descriptors how many came with it
   * @param isLast whether nothing came behind it by the same way
   * @throws EarshotError `PROTOCOL_VIOLATION`
   */
  receive({ step }: Lane, descriptors: number, isLast: boolean): void {
    if (step === OFFER ? descriptors === 0 : descriptors > 0)
      throw violation("a LANE with a wrong number of descriptors");
    if ((step === RING || step === SOCKET) && !isLast) throw violation("a LANE with something behind it");
    this.#go(this.#role === "server" ? "client" : "server", step);
  }

  /** This side says it, and may. */
  send(step: LaneStep): void {
    this.#go(this.#role, step);
  }

  #go(by: "client" | "server", step: LaneStep): void {
    const found = STEPS[this.#state].find(([who, what]) => who === by && what === step);
    if (found === undefined) throw violation("a LANE at a wrong time");
    this.#state = found[2];
  }
}
