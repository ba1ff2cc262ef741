import type { Task } from "./tasks.js";

export interface Workload {
  /** What `--only` looks in, besides the title. */
  readonly id: string;
  readonly title: string;
  /** What its points are. */
  readonly axis: string;
  readonly points: readonly Point[];
  readonly tables: readonly TableKind[];
  /** Both sides on one core: what it costs, without what waking another core costs. */
  readonly isOnOneCore?: boolean;
  /** Only messages that are larger than any that comes back. */
  readonly isLarge?: boolean;
  /** Whom it is about, if not about all. */
  readonly only?: string;
}

export interface Point {
  readonly label: string;
  /** Each measurement has processes of its own, and no others are there: all together would take too much memory. */
  readonly isFresh?: boolean;
  readonly task: Omit<Task, "warmMs" | "measureMs">;
}

/** What of the results is a table. */
export interface TableKind {
  /** Added to the workload's id and title. */
  readonly name: string;
  readonly value: "p50" | "p99" | "p999" | "perSecond" | "thousandPerSecond" | "gbPerSecond" | "cpuUs" | "memoryBytes";
  readonly unit: string;
  readonly isLowerBetter: boolean;
}

const KIB = 1_024;
const MIB = 1_048_576;
const LARGEST_KEPT_MEBIBYTES = 16;
const SMALL: Point["task"] = {
  kind: "latency",
  bytes: 64,
  inFlight: 1,
  connections: 1,
  idle: 0,
  isOneWay: false,
};
const MEDIAN: TableKind = { name: "median", value: "p50", unit: "µs", isLowerBetter: true };
const RATE: TableKind = { name: "", value: "thousandPerSecond", unit: "thousand/s", isLowerBetter: false };

function point(label: string | number, task: Partial<Point["task"]>): Point {
  return { label: label.toLocaleString("en-US"), task: { ...SMALL, ...task } };
}

const bulk = (mebibytes: number) => {
  const inFlight = Math.min(8, Math.max(1, Math.floor(64 / mebibytes)));
  const isFresh = mebibytes > LARGEST_KEPT_MEBIBYTES;
  return { ...point(`${mebibytes} MiB`, { kind: "rate", bytes: mebibytes * MIB, inFlight }), isFresh };
};

export const WORKLOADS: readonly Workload[] = [
  {
    id: "round-trip",
    title: "Round trip",
    axis: "size of the message",
    points: [
      point("64 B", {}),
      point("1 KiB", { bytes: KIB }),
      point("16 KiB", { bytes: 16 * KIB }),
      point("128 KiB", { bytes: 128 * KIB }),
      point("1 MiB", { bytes: MIB }),
    ],
    tables: [
      MEDIAN,
      { ...MEDIAN, name: "99th percentile", value: "p99" },
      { ...MEDIAN, name: "99.9th percentile", value: "p999" },
    ],
  },
  {
    id: "one-core",
    title: "Round trip, 64 B, both on one core",
    axis: "",
    points: [point("", {})],
    tables: [MEDIAN],
    isOnOneCore: true,
  },
  {
    id: "in-flight",
    title: "Messages in flight, 64 B",
    axis: "in flight",
    points: [1, 4, 16, 64, 256, 1_024].map((inFlight) => point(inFlight, { kind: "rate", inFlight })),
    tables: [RATE, { name: "time of both processors", value: "cpuUs", unit: "µs/message", isLowerBetter: true }],
  },
  {
    id: "one-way",
    title: "Acknowledged without a reply, 64 B",
    axis: "in flight",
    points: [1, 256].map((inFlight) => point(inFlight, { kind: "rate", inFlight, isOneWay: true })),
    tables: [RATE],
  },
  {
    id: "bulk",
    title: "Large messages, short reply",
    axis: "size of the message",
    points: [1, 4, 16, 64, 256].map(bulk),
    tables: [{ name: "", value: "gbPerSecond", unit: "GB/s", isLowerBetter: false }],
    isLarge: true,
  },
  {
    id: "lent",
    title: "Lent messages, median of the time of one",
    axis: "size of the message",
    points: [
      point("64 KiB", { bytes: 64 * KIB }),
      point("1 MiB", { bytes: MIB }),
      point("16 MiB", { bytes: 16 * MIB }),
      point("64 MiB", { bytes: 64 * MIB }),
    ],
    tables: [{ ...MEDIAN, name: "" }],
    isLarge: true,
    only: "earshot, loans",
  },
  {
    id: "connections",
    title: "Connections, each with a message in flight, 64 B",
    axis: "connections",
    points: [1, 10, 100, 1_000].map((connections) => point(connections, { kind: "rate", connections })),
    tables: [RATE],
  },
  {
    id: "beside-idle",
    title: "Round trip, 64 B, beside idle connections",
    axis: "idle connections",
    points: [0, 1_000].map((idle) => point(idle, { idle })),
    tables: [MEDIAN],
  },
  {
    id: "memory",
    title: "Memory of a server for each connection",
    axis: "connections",
    points: [{ ...point(1_000, { kind: "hold", connections: 1_000 }), isFresh: true }],
    tables: [{ name: "", value: "memoryBytes", unit: "bytes", isLowerBetter: true }],
  },
  {
    id: "connect",
    title: "Connect + send + close, one after the other",
    axis: "",
    points: [point("", { kind: "cycle" })],
    tables: [{ name: "", value: "perSecond", unit: "/s", isLowerBetter: false }],
  },
];
