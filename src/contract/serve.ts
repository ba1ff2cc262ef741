import { EarshotError } from "../errors.js";
import type { ListenOptions } from "../peer/listen-options.js";
import { checkLogger, LISTEN_DEFAULTS } from "../peer/options.js";
import { listen, type Server } from "../peer/server.js";
import { CODEC_NAMES } from "./codecs.js";
import { aboutOf, type Contract } from "./contract.js";
import { describeContract, type ToJsonSchema } from "./describe.js";
import { Dispatch } from "./dispatch.js";
import type { AddedBy, Middleware } from "./middleware.js";
import { Service } from "./service.js";
import type { Handlers } from "./types.js";
import { serverObjection } from "./version.js";

/** As for `listen`, and what concerns calls. */
export interface ServeOptions<M extends readonly Middleware[] = readonly Middleware[]>
  extends Omit<ListenOptions, "wire" | "body"> {
  /** Functions around each call, the first outermost; see `middleware`. */
  readonly middleware?: M | undefined;
  /**
   * Whether what handlers return and yield is checked here as well, and not only by the caller. Default: unless `NODE_ENV` is
   * `"production"`.
   */
  readonly validate?: boolean | undefined;
  /** For those who ask what is there: how to describe schemas whose validator does not do so by itself. */
  readonly toJsonSchema?: ToJsonSchema | undefined;
}

/**
 * Serves a contract: listens, and calls a handler for each call of a procedure.
 *
 * A handler gets the input, then the caller's items, then the context: those of them that the procedure has. What it throws
 * from `context.errors` reaches the caller as it is; of anything else the caller only hears `HANDLER_FAILED`, and the
 * logger the rest.
 *
 * @param address as for `listen`
 * @param handlers one for each procedure, nested as they are
 * @throws EarshotError `INVALID_ARGUMENT` for a procedure without a handler, and as `listen`
 * @example
 * await using server = await serve("/run/user/1000/weather.sock", weather, {
 *   forecast: async ({ city }) => ({ celsius: await measure(city) }),
 *   async *watch(city, { signal }) {
 *     while (!signal.aborted) yield await next(city);
 *   },
 * });
 */
export async function serve<C extends Contract, const M extends readonly Middleware[] = []>(
  address: string,
  contract: C,
  handlers: Handlers<C, AddedBy<M>>,
  options: ServeOptions<M> = {},
): Promise<Server> {
  const { name, version } = aboutOf(contract);
  const { middleware = [], validate = process.env.NODE_ENV !== "production", toJsonSchema, ...rest } = options;
  if (middleware.some((one) => typeof one !== "function")) {
    throw new EarshotError("INVALID_ARGUMENT", "Cannot use middleware: it is a list of functions (call, next)");
  }
  const service = new Service(contract, handlers, {
    middleware,
    validates: validate,
    logger: checkLogger(options.logger),
    maxMessageBytes: options.maxMessageBytes ?? LISTEN_DEFAULTS.maxMessageBytes,
    maxBufferedBytes: options.maxBufferedBytes ?? LISTEN_DEFAULTS.maxBufferedBytes,
  });
  const info = { name, version, codecs: CODEC_NAMES };
  let description: string | undefined;
  const describe = () => {
    description ??= JSON.stringify(describeContract(contract, toJsonSchema));
    return description;
  };
  const { answer } = new Dispatch(service);
  const objection = (client: Parameters<typeof serverObjection>[1]) => serverObjection(info, client);
  return await listen(address, unused, { ...rest, wire: "framed", contract: { info, objection, answer, describe } });
}

/** Every message goes to `answer`. */
const unused = () => undefined;
