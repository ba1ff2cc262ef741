import type { TestContext } from "node:test";
import { type EarshotError, failure } from "../../src/errors.js";
import type { DialOptions, Handler, ListenOptions } from "../../src/index.js";
import { Acceptor } from "../../src/peer/acceptor.js";
import { type Client, Client as ClientClass } from "../../src/peer/client.js";
import type { Retry } from "../../src/peer/client-state.js";
import { makeLine } from "../../src/peer/make-line.js";
import { checkApp, greetingsOf, LISTEN_DEFAULTS, SILENT, withDefaults } from "../../src/peer/options.js";
import type { Connect } from "../../src/peer/start.js";
import { Arena } from "../../src/session/arena.js";
import { memoryPair } from "../../src/transport/memory.js";
import type { Listener, Transport } from "../../src/transport/transport.js";
import { FakeTime } from "../support/time.js";

const ADDRESS = "unix:/memory";
const NO_SOCKETS = { descriptors: undefined, rings: undefined };

/** A place where servers come and go, in memory, and clients of it whose time is the test's. */
export class World {
  readonly time = new FakeTime();
  /** What `connect` fails with while nobody serves. */
  refusal: () => EarshotError = () => failure("NO_SERVER", "dial", ADDRESS, "there is no such file");
  /** How often a client has tried to connect. */
  attempts = 0;
  /** Of the connections, the clients' ends. */
  readonly links: Transport[] = [];
  /** Called at each attempt; while its promise is pending, so is the attempt. */
  gate: (() => Promise<void>) | undefined;
  /** Gets the server's end of each connection, before its client has the other; without it the server does. */
  take: ((far: Transport) => void) | undefined;
  /** What comes of `Math.random`. */
  chance = 1;
  /** Whether somebody watches for the server, and how to tell. */
  news: (() => void) | undefined;
  readonly #t: Pick<TestContext, "after">;
  #acceptor: Acceptor | undefined;

  constructor(t: Pick<TestContext, "after">) {
    this.#t = t;
  }

  /** A server begins. */
  serve(handler: Handler, options: ListenOptions = {}): Acceptor {
    const numbers = withDefaults({ ...options }, LISTEN_DEFAULTS);
    const acceptor = new Acceptor(ADDRESS, handler, undefined, NO_SOCKETS, options, numbers);
    const listener: Listener = {
      address: ADDRESS,
      close: async () => {},
      estate: undefined,
      abandon() {},
      leaveIfUnused: async () => true,
    };
    acceptor.attach(listener, undefined);
    this.#acceptor = acceptor;
    this.#t.after(() => {
      if (this.#acceptor === acceptor) this.vanish();
      return acceptor.close(0);
    });
    return acceptor;
  }

  /** The server is killed: its connections break, and nobody serves. */
  kill(): void {
    this.#acceptor = undefined;
    this.cut();
  }

  /** All connections break. */
  cut(): void {
    for (const link of this.links.splice(0)) link.close();
  }

  /** Nobody serves any more, and the connections go on. */
  vanish(): void {
    this.#acceptor = undefined;
  }

  readonly connect: Connect = async (signal) => {
    this.attempts++;
    await this.gate?.();
    if (signal?.aborted)
      throw failure("CANCELLED", "dial", ADDRESS, "its signal was aborted", { cause: signal.reason });
    const acceptor = this.#acceptor;
    if (acceptor === undefined) throw this.refusal();
    const [near, far] = memoryPair();
    this.links.push(far);
    if (this.take === undefined) acceptor.accept(far);
    else this.take(far);
    return near;
  };

  client(options: DialOptions & { readonly retry?: Retry } = {}): Client {
    const limits = {
      maxMessageBytes: 1_000_000,
      maxInFlight: 1,
      maxDescriptors: 0,
      handshakeTimeoutMs: 30_000,
      messageTimeoutMs: 0,
      idleTimeoutMs: 0,
      takesStreams: false,
    };
    const app = checkApp(options.app);
    const greetings = greetingsOf(limits, app);
    const wire = options.wire ?? "framed";
    const common = { role: "client", wire, limits, greetings, app, arena: new Arena() } as const;
    const setup = { ...common, descriptors: undefined, lane: undefined, budget: undefined };
    const isGreetingAwaited = options.app?.accepts !== undefined;
    const watch = (onChange: () => void) => {
      this.news = onChange;
      return {
        [Symbol.dispose]: () => {
          this.news = undefined;
        },
      };
    };
    const circumstances = { time: this.time, random: () => this.chance, watch };
    const way = { connect: this.connect, setup, address: ADDRESS, path: undefined, logger: SILENT, isGreetingAwaited };
    const client = new ClientClass(
      ADDRESS,
      makeLine(way, options, circumstances),
      options.retry ?? false,
      undefined,
      67_108_864,
    );
    this.#t.after(async () => {
      void client.close();
      await client.close();
    });
    return client;
  }
}

/** Lets everything happen that can happen without time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The state that a client comes to. */
export function becomes(client: Client, kind: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = client.onState((state) => {
      if (state.kind !== kind) return;
      stop();
      resolve();
    });
    if (client.state.kind !== kind) return;
    stop();
    resolve();
  });
}
