import { createServer, type ListenOptions as NetListenOptions, type Server, Socket } from "node:net";
import { failure, fromSystem, systemCode } from "../errors.js";
import { Absence } from "./absence.js";
import { lookInProc, takeActivated, USE_STREAM } from "./activation.js";
import type { Claim } from "./claim.js";
import type { ListenOptions } from "./listen-options.js";
import { assertExactName, NetTransport, onReadOptions, SOCKET_OPTIONS } from "./net.js";
import type { ListenTarget } from "./resolve.js";
import { bindClaimed } from "./socket-file.js";
import type { Listener, Transport } from "./transport.js";

/** Takes the address and hands over every connection to it. */
export async function listenNet(target: ListenTarget, options: ListenOptions): Promise<Listener> {
  if (target.kind !== "activation") assertExactName(target, "listen");
  let accepted = 0;
  let absence: Absence | undefined;
  const onTransport = (transport: Transport) => {
    accepted++;
    absence?.onCaller();
    options.onTransport(transport);
  };
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    onTransport(new NetTransport((self) => socket.on("data", (bytes) => self.onRead(bytes))));
  });
  const { mode, backlog } = options;
  const file = target.kind === "path" ? await bindClaimed(server, target.path, { mode, backlog }) : undefined;
  if (target.kind === "abstract") await listenAbstract(server, target.name, target.text, backlog);
  const address = target.kind === "activation" ? await listenActivated(server, target, backlog) : target.text;
  takeHandles(server, (handle) => {
    onTransport(new NetTransport((self) => socketOf(handle, self)));
  });
  server.on("error", (error) => options.onError(fromSystem(error, "listen", address)));
  let closing: Promise<void> | undefined;
  const close = () => {
    absence?.end();
    closing ??= closeServer(server, file, backlog, () => accepted);
    return closing;
  };
  const leaveIfUnused = async () => {
    // Who is in a queue of the service manager's waits for the next process.
    if (target.kind !== "activation") {
      const own = new Absence(file);
      absence = own;
      await own.over;
      absence = undefined;
      if (own.isBack && closing === undefined) return false;
    }
    await close();
    return true;
  };
  return { address, close, leaveIfUnused, estate: undefined, abandon() {} };
}

async function closeServer(
  server: Server,
  file: Claim | undefined,
  backlog: number,
  countAccepted: () => number,
): Promise<void> {
  file?.release();
  // Who connected before the file went away is in the kernel's queue, and each turn of the event loop takes one of them:
  // a turn that brings none has seen the queue empty. To an abstract name new ones may come for ever.
  await turn();
  for (let turns = 0; turns <= backlog; turns++) {
    const before = countAccepted();
    await turn();
    if (countAccepted() === before) break;
  }
  // Its callback would wait for connections, which are none of its business any more.
  server.close();
  await turn();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function listenAbstract(server: Server, name: string, address: string, backlog: number): Promise<void> {
  return startListening(server, { path: `\0${name}`, backlog }, (error) => {
    const fact = systemCode(error) === "EADDRINUSE" ? "another program has this abstract name" : undefined;
    return fromSystem(error, "listen", address, fact);
  });
}

/** Close-on-exec is out of Node's reach: commands that the process starts keep the socket open. Returns the address. */
async function listenActivated(
  server: Server,
  target: ListenTarget & { kind: "activation" },
  backlog: number,
): Promise<string> {
  const { fd, address } = takeActivated(target, lookInProc);
  await startListening(server, { fd, backlog }, (error) => fromSystem(error, "listen", target.text));
  if (typeof server.address() !== "object" || server.address() === null) return address;
  server.close();
  throw failure("NOT_A_SOCKET", "listen", target.text, `descriptor ${fd} is a socket of the network, ${USE_STREAM}`);
}

function startListening(
  server: Server,
  options: NetListenOptions & { readonly fd?: number },
  translate: (error: Error) => Error,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(translate(error)));
    server.listen({ ...options, exclusive: true }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

/** What is under the surface of a server or socket, in every Node so far; what is missing there is done without. */
interface Handle {
  onconnection?: (this: Handle, status: number, accepted: Handle | undefined) => void;
  readonly useUserBuffer?: unknown;
}

/**
 * A `net.Server` makes its sockets itself, without the option to read into a given buffer: this takes each connection
 * before that. Half the copies, bulk data in a fraction of the calls, and one socket less for each connection.
 */
function takeHandles(server: Server, onHandle: (handle: Handle) => void): void {
  const { _handle: listening } = server as unknown as { readonly _handle: Handle | null };
  const usual = listening?.onconnection;
  if (listening === null || usual === undefined) return;
  listening.onconnection = function (status, accepted) {
    if (status === 0 && typeof accepted?.useUserBuffer === "function") onHandle(accepted);
    else usual.call(this, status, accepted);
  };
}

function socketOf(handle: Handle, transport: NetTransport): Socket {
  // Not a byte is read before somebody listens.
  const options = { ...SOCKET_OPTIONS, handle, onread: onReadOptions(transport), pauseOnCreate: true };
  return new Socket(options);
}
