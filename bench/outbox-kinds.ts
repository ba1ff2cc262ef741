import { join } from "node:path";

/** What `post` promises, as an outbox's option of that name. */
export type Durability = "process" | "power";

export interface Place {
  readonly directory: string;
  /** One that is free, of this machine. */
  readonly port: number;
}

/** A program that keeps messages for others, and the package in bench/peers that talks to it. */
export interface Broker {
  readonly module: string;
  readonly command: string;
  readonly args: (place: Place, durability: Durability) => readonly string[];
  readonly address: (place: Place) => string;
  /** Whether what it acknowledges can be on disk. */
  readonly hasPower: boolean;
}

/**
 * Settings as their makers recommend them for messages that must not be lost. Redis writes to its file before it answers:
 * with `everysec` that survives the end of its process, with `always` that of the machine. NATS, in the versions that Debian has,
 * brings its file to the disk every two minutes, and cannot do so for each message.
 */
const BROKERS: Readonly<Record<string, Broker>> = {
  "Redis streams": {
    module: "streams",
    command: "redis-server",
    args: ({ directory }, durability) => [
      ...["--port", "0", "--unixsocket", join(directory, "redis.sock"), "--dir", directory, "--save", ""],
      ...["--appendonly", "yes", "--appendfsync", durability === "power" ? "always" : "everysec"],
    ],
    address: ({ directory }) => join(directory, "redis.sock"),
    hasPower: true,
  },
  "NATS JetStream": {
    module: "jetstream",
    command: "nats-server",
    args: ({ directory, port }) => [
      "--addr",
      "127.0.0.1",
      "--port",
      String(port),
      "--jetstream",
      "--store_dir",
      directory,
    ],
    address: ({ port }) => `127.0.0.1:${port}`,
    hasPower: false,
  },
};

/** What is compared. */
export interface Kind {
  readonly name: string;
  readonly durability: Durability;
  /** `undefined`: earshot, which needs none. */
  readonly broker: Broker | undefined;
  /** Nobody receives: only posting is measured. */
  readonly isAlone: boolean;
  readonly hasInbox: boolean;
}

/** All that promise this, those without earshot first. */
export function kindsFor(durability: Durability, isAlone: boolean): readonly Kind[] {
  const brokers = Object.entries(BROKERS).filter(([, { hasPower }]) => hasPower || durability === "process");
  const common = { durability, isAlone, hasInbox: false };
  const own = { ...common, name: "earshot", broker: undefined };
  const others = brokers.map(([name, broker]) => ({ ...common, name, broker }));
  return [...others, own, ...(isAlone ? [] : [{ ...own, name: "with an inbox", hasInbox: true }])];
}

/** What a side is started with. */
export interface Side {
  readonly is: "sender" | "receiver";
  readonly kind: Pick<Kind, "durability" | "isAlone" | "hasInbox">;
  readonly directory: string;
  readonly peer: { readonly module: string; readonly address: string } | undefined;
}

/** What a side has measured; times in milliseconds of one clock. */
export interface Measured {
  readonly startedAt: number;
  /** When the last message was kept; for a receiver as `endedAt`. */
  readonly postedAt: number;
  readonly endedAt: number;
  readonly cpuUs: number;
}
