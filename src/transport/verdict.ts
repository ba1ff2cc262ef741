import type { EarshotError } from "../errors.js";
import type { Finding, SocketExamination } from "./examine.js";
import { listListeners } from "./owner.js";
import { sharedPoller } from "./poller.js";

/** What was seen, before it is judged. */
export type Seen = Omit<SocketExamination, "findings">;

/** What is wrong, and what to do: first what stands in the way, then that nobody is there, then what is worth knowing. */
export function judge(seen: Seen, error: EarshotError | undefined): Finding[] {
  const { state, directory } = seen;
  const canListen = state === "free" || state === "stale";
  const found = about(seen, error);
  const { danger, obstacle } = directory ?? {};
  // A server that is there already does not ask again.
  if (danger !== undefined) found.push({ code: canListen ? "UNSAFE_DIRECTORY" : undefined, text: danger });
  if (obstacle !== undefined && canListen) found.push(note(obstacle));
  if (seen.leftovers.length > 0) found.push(note(leftoversOf(seen)));
  found.push(...aboutAddon(), ...aboutKernel(seen));
  return found.sort((one, other) => rank(one) - rank(other));
}

function rank({ code }: Finding): number {
  if (code === undefined) return 2;
  return code === "NO_SERVER" ? 1 : 0;
}

function about(seen: Seen, error: EarshotError | undefined): Finding[] {
  const { state, file, path, server } = seen;
  const where = JSON.stringify(path?.text ?? seen.resolved);
  switch (state) {
    case "live":
      if (server?.isStopped) return [stopped(server.pid)];
      return file?.kind === "symbolic link"
        ? [
            note(
              `${where} is a symbolic link: callers get through, but \`listen\` refuses it; use the path that it leads to`,
            ),
          ]
        : [];
    case "busy":
      if (server?.isStopped) return [stopped(server.pid)];
      return [
        {
          code: "OVERLOADED",
          text: "a server listens there, and its queue of new connections is full: it does not take them fast enough, or hangs; wait, raise its `backlog`, or restart it",
        },
      ];
    case "free":
      return [{ code: "NO_SERVER", text: "nobody listens there; start the server, or check its address" }];
    case "stale":
      return [{ code: "NO_SERVER", text: staleText(seen) }];
    case "forbidden":
      return [{ code: "PERMISSION_DENIED", text: file === undefined ? String(error?.message) : forbiddenText(seen) }];
    case "blocked":
      return [{ code: "NOT_A_SOCKET", text: blockedText(seen, where) }];
    case "unusable":
      return error === undefined ? [] : [{ code: error.code, text: error.message }];
  }
}

function staleText({ file, directory }: Seen): string {
  const isReplaceable = directory?.obstacle === undefined && !isOthers(file?.uid, directory);
  const remedy = isReplaceable
    ? "start the server: it replaces the file"
    : `only uid ${file?.uid} or root can replace it: start the server as one of them, or let them remove the file`;
  return `nobody listens there, the socket file is left from a server that is gone; ${remedy}`;
}

/** In a directory with the sticky bit, only a file's owner may replace it. */
function isOthers(uid: number | undefined, directory: Seen["directory"]): boolean {
  const own = process.geteuid?.();
  const isSticky = directory !== undefined && (Number.parseInt(directory.mode, 8) & 0o1000) !== 0;
  return isSticky && own !== 0 && own !== uid && own !== directory.uid;
}

function forbiddenText({ file, path }: Seen): string {
  const isListening = path !== undefined && listListeners(path.text).length > 0;
  const fact = `this user may not connect: the socket file has mode ${file?.mode} and belongs to uid ${file?.uid}`;
  const server = isListening ? "a server listens there" : "no server is known to listen there";
  return `${fact} (${server}); let the server listen with another \`mode\`, or become its user`;
}

function blockedText({ file }: Seen, where: string): string {
  const remedy = "use another path, or move away what is there";
  switch (file?.kind) {
    case "socket":
      return `${where} is a socket of another kind (not a stream), and another kind of program's; use another path`;
    case "symbolic link":
      return `${where} is a symbolic link to ${JSON.stringify(file.target)}, where no server can be reached; ${remedy}`;
    case "directory":
      return `${where} is a directory; ${remedy}`;
    default:
      return `${where} is not a socket; ${remedy}`;
  }
}

function stopped(pid: number | undefined): Finding {
  return { code: "TIMEOUT", text: `process ${pid} is stopped, and answers nobody; to let it go on: kill -CONT ${pid}` };
}

function leftoversOf({ leftovers, state }: Seen): string {
  const remedy =
    state === "live" ? "remove them if no server is starting at this moment" : "the next server removes them";
  return `servers that were killed while they started have left ${leftovers.join(", ")} beside the socket; ${remedy}`;
}

function aboutAddon(): Finding[] {
  const shared = sharedPoller();
  if (!("missing" in shared) || process.platform !== "linux") return [];
  return [
    note(`${shared.missing.text}. Without it nobody knows who calls, open files cannot be sent, and all is slower`),
  ];
}

function aboutKernel({ system }: Seen): Finding[] {
  const { peerPidfd, peerGroups, memfd } = system.features;
  const lacks = [
    peerPidfd === false ? "whether a caller's pid still is that process's; Linux 6.5 or later does" : undefined,
    peerGroups === false ? "a caller's supplementary groups; Linux 4.13 or later does" : undefined,
    process.platform === "linux" && !memfd ? "memory to share; Linux 3.17 or later does" : undefined,
  ];
  return lacks.filter((lack) => lack !== undefined).map((lack) => note(`the kernel does not give ${lack}`));
}

function note(text: string): Finding {
  return { code: undefined, text };
}
