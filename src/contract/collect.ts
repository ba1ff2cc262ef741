import type { EarshotError } from "../errors.js";
import type { Inflow } from "../peer/flow.js";
import { Pieces } from "../peer/pieces.js";
import { type FailureName, isFailureName } from "../wire/failure.js";
import { Refusal } from "./faults.js";
import { callBytes } from "./format.js";
import type { Service } from "./service.js";

/** Why a call cannot be had. */
export interface Uncollected {
  readonly code: FailureName;
  readonly text: string;
}

/**
 * The beginning of a message that comes bit by bit, up to where its call ends and its items begin, or more. Where it has no
 * items: all of it.
 */
export async function collectCall(inflow: Inflow, service: Service): Promise<Buffer | Uncollected> {
  const { held, maxMessageBytes } = service;
  const pieces = new Pieces();
  let needed = 0;
  try {
    for (;;) {
      const piece = inflow.read();
      if (piece === undefined) {
        if (inflow.isEnded) break;
        await inflow.readable();
        continue;
      }
      pieces.add(piece);
      held.add(piece.length);
      if (pieces.length >= needed) needed = callBytes(pieces.join());
      const size = needed === Infinity ? pieces.length : Math.max(pieces.length, needed);
      if (size > maxMessageBytes) {
        return { code: "MESSAGE_TOO_LARGE", text: `the limit is ${maxMessageBytes} bytes (maxMessageBytes)` };
      }
      if (needed <= pieces.length) break;
    }
    return pieces.join();
  } catch (error) {
    const { code, message } = error as EarshotError;
    return { code: isFailureName(code) ? code : "CONNECTION_CLOSED", text: message };
  } finally {
    held.add(-pieces.length);
  }
}

/** What is being collected for all calls of a server together. */
export class Held {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws EarshotError `OVERLOADED`; what was added is to be taken away all the same */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (bytes <= 0 || this.#bytes <= this.#maxBytes) return;
    const fact = `the server holds ${this.#maxBytes} bytes of unfinished messages; try again later (maxBufferedBytes)`;
    throw new Refusal("OVERLOADED", fact);
  }
}
