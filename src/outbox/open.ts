import { parseAddress } from "../address.js";
import { checkChoice, checkLogger } from "../peer/options.js";
import { type Clock, SYSTEM_CLOCK } from "./clock.js";
import { DialedWay } from "./dialed-way.js";
import { Environment } from "./environment.js";
import { Events } from "./events.js";
import {
  checkPositive,
  checkWork,
  DEFAULT_MAX_BYTES,
  type OutboxOptions,
  type PostOnlyOptions,
  refuse,
} from "./options.js";
import { Outbox } from "./outbox.js";
import { OUTBOX_LAYOUT, Store } from "./store.js";
import type { Way } from "./way.js";

/** What tests give. */
export interface Parts {
  readonly way?: Way;
  readonly clock?: Clock;
}

/**
 * Opens a directory in which messages are kept until the server has acknowledged them, and delivers them. Several processes
 * may open the same; one of them delivers, and when it ends, in whatever way, another goes on.
 *
 * @param directory is made if it is not there, for this user alone
 * @returns an outbox, which whoever opened it closes
 * @throws EarshotError `UNSUPPORTED` (the package lmdb is missing), `PERMISSION_DENIED`, `UNSAFE_DIRECTORY`,
 * `STORE_FULL`, `STORE_DAMAGED`, `VERSION_MISMATCH` (a newer earshot made it), `INVALID_ARGUMENT`, `INVALID_ADDRESS`, ...
 * @example
 * await using outbox = await openOutbox("/var/lib/app/outbox", { address: "/run/app.sock" });
 * const { id } = await outbox.post("an order", { key: "customer 7" }); // it is on disk
 * await outbox.flush(); // everything is delivered, or a dead letter
 */
export function openOutbox(directory: string, options: OutboxOptions | PostOnlyOptions): Promise<Outbox> {
  return openWith(directory, options, {});
}

/** The same, with parts that tests give. */
export async function openWith(
  directory: string,
  options: OutboxOptions | PostOnlyOptions,
  parts: Parts,
): Promise<Outbox> {
  if (typeof directory !== "string" || directory === "") refuse("directory", directory, "a path");
  if (typeof options !== "object" || options === null) refuse("options", options, "an object with an address");
  const work = checkWork(options);
  const maxBytes = checkPositive("maxBytes", options.maxBytes ?? DEFAULT_MAX_BYTES);
  const durability = checkChoice("durability", options.durability, ["process", "power"]);
  const logger = checkLogger(options.logger);
  const events = new Events((error) => logger.error({ directory, error }, "an outbox's listener failed"));
  const mayDeliver = options.deliver !== false;
  const { address = "" } = options;
  if (mayDeliver) parseAddress(address);
  const dialed = new DialedWay(address, { ...options.dial });
  // Wrong options are nothing that a message has done.
  if (mayDeliver) await dialed.prepare();
  const environment = await Environment.open(directory, OUTBOX_LAYOUT);
  const store = new Store(environment.tables, maxBytes);
  const { clock = SYSTEM_CLOCK, way = dialed } = parts;
  const outbox = new Outbox({ environment, store, events, clock, way, work, needsSync: durability === "power" });
  events.add("trouble", ({ error }) => logger.error({ directory, error }, "an outbox has trouble"));
  try {
    await outbox.start(mayDeliver);
  } catch (error) {
    await outbox.close({ graceMs: 0 });
    throw error;
  }
  return outbox;
}
