import { release } from "node:os";
import { systemCode } from "../errors.js";
import type { Native } from "../native/binding.js";
import { SOCK_STREAM } from "../native/binding.js";
import type { TransportKind } from "./kind.js";
import { sharedPoller } from "./poller.js";

/** What this machine and this installation can do. */
export interface SystemFacts {
  /** As `linux 6.12.1`. */
  readonly system: string;
  /** As `v20.20.0`. */
  readonly node: string;
  /** The native addon. */
  readonly addon: "loaded" | "not built" | "failed to load";
  /** What `listen` and `dial` use here, with `EARSHOT_TRANSPORT` as it is. */
  readonly transport: "native" | "net";
  /** What the kernel has; `undefined`: without the addon nobody can tell. */
  readonly features: {
    /** Whether a caller's pid can be trusted: SO_PEERPIDFD, Linux 6.5. */
    readonly peerPidfd: boolean | undefined;
    /** Whether all groups of a caller are known: SO_PEERGROUPS, Linux 4.13. */
    readonly peerGroups: boolean | undefined;
    /** memfd_create(2), Linux 3.17. */
    readonly memfd: boolean;
    /** Whether `unix:@name` is the same name for every program. */
    readonly exactAbstractNames: boolean;
  };
}

export function examineSystem(transport: TransportKind): SystemFacts {
  const shared = sharedPoller();
  const native = "poller" in shared ? shared.poller.native : undefined;
  const isLinux = process.platform === "linux";
  return {
    system: `${process.platform} ${release()}`,
    node: process.version,
    addon: "missing" in shared ? shared.missing.reason : "loaded",
    transport,
    features: {
      peerPidfd: native && knows(native, (fd) => native.peerPidfd(fd)),
      peerGroups: native && knows(native, (fd) => native.peerGroups(fd)),
      memfd: isLinux && isAtLeast(release(), 3, 17),
      exactAbstractNames: isLinux && (transport === "native" || isAtLeast(process.versions.node, 22, 0)),
    },
  };
}

/** A kernel that knows a question answers even of a socket without another end: that there is nobody. */
function knows(native: Native, ask: (fd: number) => unknown): boolean {
  const fd = native.socket(SOCK_STREAM);
  try {
    ask(fd);
    return true;
  } catch (error) {
    return systemCode(error) !== "ENOPROTOOPT";
  } finally {
    native.close(fd);
  }
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return first > major || (first === major && second >= minor);
}
