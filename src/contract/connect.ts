import { type DialOptions, dial } from "../peer/dial.js";
import { checkChoice, checkTimeout, DIAL_DEFAULTS } from "../peer/options.js";
import { makeApi } from "./api.js";
import { Caller } from "./caller.js";
import type { CodecName } from "./codec.js";
import { CODEC_NAMES } from "./codecs.js";
import { aboutOf, type Contract } from "./contract.js";
import { NO_DESCRIPTORS } from "./limits.js";
import type { Api } from "./types.js";
import { clientObjection } from "./version.js";

/** As for `dial`, and what concerns calls. */
export interface ConnectOptions extends Omit<DialOptions, "wire"> {
  /** For each call that has none of its own, in milliseconds; default 0, no limit. */
  readonly timeoutMs?: number | undefined;
  /**
   * How values travel: `"msgpack"` (default) carries Date, Map, Set, BigInt, Error, binary and typed arrays as they are;
   * `"json"` what JSON has.
   */
  readonly codec?: CodecName | undefined;
}

/**
 * Connects to a server of a contract, and waits until both sides know that theirs suit.
 *
 * @param address as for `dial`
 * @returns the contract's procedures as functions; whoever connected closes it (`await using`, or `clientOf(api).close()`)
 * @throws EarshotError `CONTRACT_MISMATCH`, and as `dial`
 * @example
 * await using api = await connect("/run/user/1000/weather.sock", weather, { timeoutMs: 2_000 });
 * const { celsius } = await api.forecast({ city: "Riga" });
 */
export async function connect<C extends Contract>(
  address: string,
  contract: C,
  options: ConnectOptions = {},
): Promise<Api<C>> {
  const { name, version } = aboutOf(contract);
  const { timeoutMs, codec: wanted, ...rest } = options;
  const codec = checkChoice("codec", wanted, CODEC_NAMES);
  checkTimeout("timeoutMs", timeoutMs);
  const info = { name, version, codecs: [codec] };
  const objection = (server: Parameters<typeof clientObjection>[2]) => clientObjection(info, codec, server);
  const client = await dial(address, { ...rest, ...NO_DESCRIPTORS, contract: { info, objection } });
  const maxMessageBytes = options.maxMessageBytes ?? DIAL_DEFAULTS.maxMessageBytes;
  return makeApi(new Caller(client, codec, timeoutMs, maxMessageBytes), contract);
}
