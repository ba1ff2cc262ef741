import type { Client, DialOptions, ListenOptions, Message } from "earshot";
import type { Care } from "./baseline.js";

/** A client as the workloads use it. */
export interface Dialed {
  send(payload: Uint8Array): Promise<unknown>;
  /** The processor time of its server, in µs, where the client has started that. */
  cpuUs?(): Promise<number>;
  close(): Promise<void>;
}

/** Both sides, as a file of bench/peers has them. */
export interface Sides {
  /** Its settings, as the report tells them. */
  readonly settings: string;
  /** The client starts its server, and has one connection to it. */
  readonly isOwnServer?: boolean;
  /** It cannot take larger messages, or takes hours. */
  readonly largestBytes?: number;
  /** Serves until the process ends, and answers messages with what `answer` in bench/peers/answer.js says. */
  serve(path: string): Promise<void>;
  dial(path: string): Promise<Dialed>;
}

export interface Contender {
  /** With small messages it does the same as another. */
  readonly isForLarge?: boolean;
  /** Whether the earshot that is measured has it; by default yes. */
  isHere?(): Promise<boolean>;
  /** Its code is loaded only then: a process has that of one contender. */
  load(): Promise<Sides>;
}

/** What a server of any contender does with a message. */
type Answer = (bytes: Uint8Array) => Uint8Array;

/** They are a package of their own, which is not compiled with the rest. */
async function fromPeers(name: string) {
  return await import(new URL(`../../bench/peers/${name}.js`, import.meta.url).href);
}

function peer(name: string): Contender {
  return { load: () => fromPeers(name) };
}

/** In the order of tables; ratios are to the first. */
export const CONTENDERS: Readonly<Record<string, Contender>> = {
  "hand-written over net": handWritten(
    "usual",
    "framing over `node:net`: a length and a number before each message, and a write for each; see bench/baseline.ts",
  ),
  "hand-written, tuned": handWritten(
    "tuned",
    "the same with one write for all of a turn, and no copy of large messages",
  ),
  earshot: earshot("all options as by default"),
  "earshot, sockets alone": earshot('`lane: "socket"`: no shared memory', { lane: "socket" }),
  "earshot, node:net": earshot('`transport: "net"`, as without the addon', { transport: "net" }),
  "earshot, in place": {
    ...earshot('`body: "borrowed"`: its handler is done with a large message when it settles', { body: "borrowed" }),
    isForLarge: true,
  },
  "earshot, sockets alone, in place": {
    ...earshot('`lane: "socket"` and `body: "borrowed"`', { lane: "socket", body: "borrowed" }),
    isForLarge: true,
  },
  "earshot, loans": {
    ...loans(),
    isForLarge: true,
    isHere: async () => "loan" in (await import("earshot")).Client.prototype,
  },
  "HTTP (undici)": peer("http"),
  "grpc-js": peer("grpc"),
  zeromq: peer("zeromq"),
  "node-ipc": peer("node-ipc"),
  "vscode-jsonrpc": peer("vscode-jsonrpc"),
  "child process": peer("child-process"),
  "worker thread": peer("worker"),
};

function handWritten(care: Care, settings: string): Contender {
  return {
    async load() {
      const { dialBaseline, serveBaseline } = await import("./baseline.js");
      const answer: Answer = (await fromPeers("answer")).answer;
      return {
        settings,
        serve: (path) => serveBaseline(path, care, answer),
        dial: (path) => dialBaseline(path, care),
      };
    },
  };
}

interface Settings {
  readonly transport?: "native" | "net";
  readonly lane?: "socket";
  readonly body?: "borrowed";
}

/** The largest message of the workloads is larger than what a server takes by default. */
const LIMITS = { maxMessageBytes: 268_435_456 };

function earshot(settings: string, { body, ...both }: Settings = {}): Contender {
  return {
    async load() {
      const { dial, listen } = await import("earshot");
      const answer: Answer = (await fromPeers("answer")).answer;
      const listenOptions: ListenOptions = { ...LIMITS, ...both, ...(body && { body }) };
      const dialOptions: DialOptions = both;
      return {
        settings: `${settings}; only \`maxMessageBytes\` is larger`,
        async serve(path) {
          await listen(path, (message: Message) => answer(message.bytes), listenOptions);
        },
        dial: (path) => dial(path, dialOptions),
      };
    },
  };
}

/** Memory of the other side, which is not filled: what passing it on costs, and not what writing it does. */
function loans(): Contender {
  const { load } = earshot('messages are loans, which nobody fills; the server has `body: "borrowed"`', {
    body: "borrowed",
  });
  return {
    async load() {
      const sides = await load();
      return {
        ...sides,
        async dial(path) {
          const client = (await sides.dial(path)) as Client;
          return {
            async send({ length }) {
              const loan = await client.loan(length);
              // Of what nobody looks at, there would be no view.
              if (loan.bytes.length !== length) throw new Error("a loan of another size");
              return await client.send(loan);
            },
            close: () => client.close(),
          };
        },
      };
    },
  };
}

/** The names of those that can be measured here, of all or of those that are asked for. */
export async function contendersHere(wanted?: readonly string[]): Promise<string[]> {
  const unknown = wanted?.filter((name) => CONTENDERS[name] === undefined) ?? [];
  if (unknown.length > 0) {
    throw new Error(`no contender ${unknown.join("; ")}; there are: ${Object.keys(CONTENDERS).join("; ")}`);
  }
  const names: string[] = [];
  for (const [name, { isHere }] of Object.entries(CONTENDERS)) {
    if (wanted?.includes(name) !== false && (await isHere?.()) !== false) names.push(name);
  }
  return names;
}
