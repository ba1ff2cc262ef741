import { type EarshotError, failure } from "../errors.js";
import type { Message } from "../message.js";
import type { Estate, Listener } from "../transport/transport.js";
import { sameUser } from "./allow.js";
import type { Client } from "./client.js";
import type { Connection } from "./connection.js";
import { dialSystem } from "./dial.js";
import type { App } from "./options.js";
import type { Order } from "./order.js";

/**
 * How a new version of a server takes over from the old one, so that no caller is refused: it asks for the listening
 * socket itself, and gets it as a descriptor. From then on both accept; when the new one says that it does, the old one
 * stops, finishes what it has, and leaves, and the socket file with all who wait in the kernel's queue stays.
 */
const ASK = "hand-over";
const TAKEN = "taken";
const DESCRIBE = "describe";
/** A newer version's tool wants the place for a server of its own; what goes on in this one is finished first. */
const LEAVE = "leave";

/** For the old server to answer; it does not involve its handlers. */
const ANSWER_MS = 5_000;

/** An answer of earshot itself, or why there is none. */
export type SystemAnswer =
  | { readonly data: string; readonly descriptors?: readonly number[] }
  | { readonly code: "UNSUPPORTED" | "PEER_REFUSED" | "OVERLOADED"; readonly text: string };

/** How a server ends that is asked to. */
export interface Leaving {
  /** The new server serves. */
  toHeir(): void;
  entirely(): void;
}

/** What a server tells, and lets be done to it. */
export interface Permissions {
  readonly canLeave: boolean;
  /** Whether the mode of the socket file lets in nobody but its user: where the kernel does not tell who calls, that decides. */
  readonly isPrivate: boolean;
  /** The contract, if one is served. */
  readonly describe: (() => string) | undefined;
}

/** The old server's side. */
export class HandOver {
  readonly #listener: () => Listener | undefined;
  readonly #leaving: Leaving;
  readonly #permissions: Permissions;
  /** Who has the socket and has not said yet that it serves. */
  #heir: Connection | undefined;

  constructor(listener: () => Listener | undefined, leaving: Leaving, permissions: Permissions) {
    this.#permissions = permissions;
    this.#listener = listener;
    this.#leaving = leaving;
  }

  /** Answers a message of another earshot to this one. */
  answer(connection: Connection, { do: order }: Order): SystemAnswer {
    if (order === ASK) return this.#handOver(connection);
    if (order === LEAVE) return this.#leave(connection);
    const { describe } = this.#permissions;
    if (order === DESCRIBE && describe !== undefined) return { data: describe() };
    if (order !== TAKEN) return { code: "UNSUPPORTED", text: "this version does not know what is asked" };
    if (this.#heir !== connection) return { code: "UNSUPPORTED", text: "nothing was handed over" };
    this.#leaving.toHeir();
    return { data: "{}" };
  }

  /** An heir that goes without a word has not taken anything. */
  onClosed(connection: Connection): void {
    if (this.#heir === connection) this.#heir = undefined;
  }

  #leave({ transport: { credentials } }: Connection): SystemAnswer {
    const { canLeave, isPrivate } = this.#permissions;
    if (!canLeave) return { code: "UNSUPPORTED", text: "this server does not leave when asked to (option handOver)" };
    const isSame = credentials === undefined ? isPrivate : sameUser()(credentials);
    if (!isSame) return { code: "PEER_REFUSED", text: "only the same user may ask a server to leave" };
    this.#leaving.entirely();
    return { data: "{}" };
  }

  #handOver(connection: Connection): SystemAnswer {
    const { credentials } = connection.transport;
    if (credentials === undefined || !sameUser()(credentials)) {
      return { code: "PEER_REFUSED", text: "only the same user may take over" };
    }
    const estate = this.#listener()?.estate;
    if (estate === undefined) return { code: "UNSUPPORTED", text: "this server cannot hand over (option handOver)" };
    if (this.#heir !== undefined) return { code: "OVERLOADED", text: "another process is taking over" };
    this.#heir = connection;
    const { fd, file } = estate;
    const identity = file === undefined ? null : { dev: String(file.dev), ino: String(file.ino) };
    return { data: JSON.stringify({ file: identity }), descriptors: [fd] };
  }
}

/** What the new server got from the old one. */
export interface Inheritance {
  readonly estate: Estate;
  /** To be called when the new server accepts: the old one leaves. */
  confirm(): Promise<void>;
  /** It does not: the old one goes on. The descriptor is the caller's to close. */
  abandon(): Promise<void>;
}

/**
 * Asks the server at an address for its socket.
 *
 * @returns `undefined` if there is no server
 * @throws EarshotError `ADDRESS_IN_USE` if it does not hand over
 */
export async function inherit(address: string, app: App | undefined): Promise<Inheritance | undefined> {
  let client: Client | undefined;
  try {
    client = await dialSystem(address, app);
    const reply = await client.system({ do: ASK }, { timeoutMs: ANSWER_MS });
    const file = readFile(reply);
    const fd = reply.descriptors[0]?.take();
    if (fd === undefined) throw failure("PROTOCOL_VIOLATION", "listen", address, "the server sent no socket");
    return { estate: { fd, file }, ...settle(client) };
  } catch (error) {
    await client?.close({ graceMs: 0 });
    if ((error as EarshotError).code === "NO_SERVER") return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw failure(
      "ADDRESS_IN_USE",
      "listen",
      address,
      `another server answers there and hands nothing over: ${reason}`,
      {
        cause: error,
      },
    );
  }
}

function settle(client: Client): Pick<Inheritance, "confirm" | "abandon"> {
  return {
    confirm: async () => {
      // It may be gone before its answer is here: it was asked to go.
      await client.system({ do: TAKEN }, { timeoutMs: ANSWER_MS }).catch(() => {});
      await client.close({ graceMs: 0 });
    },
    abandon: () => client.close({ graceMs: 0 }),
  };
}

function readFile(reply: Message): Estate["file"] {
  const { file } = reply.json() as { file?: { dev: string; ino: string } | null };
  return file ? { dev: BigInt(file.dev), ino: BigInt(file.ino) } : undefined;
}
