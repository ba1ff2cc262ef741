import { fchmodSync } from "node:fs";
import { type EarshotError, failure, fromSystem, systemCode } from "../errors.js";
import { READABLE, SO_ACCEPTCONN, SOCK_STREAM, WOULD_BLOCK } from "../native/binding.js";
import { Absence } from "./absence.js";
import { lookByCalls, takeActivated } from "./activation.js";
import type { Bind } from "./candidate.js";
import { type Claim, claim, removeIfSame } from "./claim.js";
import { socketAddress } from "./connect-unix.js";
import type { ListenOptions } from "./listen-options.js";
import type { Pollable, Poller } from "./poller.js";
import type { ListenTarget, SocketTarget } from "./resolve.js";
import { isSameFile, socketAt } from "./socket-at.js";
import type { Estate, Listener } from "./transport.js";
import { takeTurn } from "./turn.js";
import { UnixTransport } from "./unix.js";

/** So many connections are taken before others have their turn. */
const MAX_ACCEPTS = 64;
/** Without a descriptor to spare, callers wait in the kernel's queue and are looked for again after this long. */
const RETRY_MS = 50;

/** Takes the address and hands over every connection to it. */
export async function listenUnix(poller: Poller, target: ListenTarget, options: ListenOptions): Promise<Listener> {
  if (target.kind === "activation") return listenActivated(poller, target, options);
  if (target.kind === "abstract") {
    const fd = bindAbstract(poller, target, options.backlog);
    return new UnixListener(poller, fd, target.text, options, undefined);
  }
  const { mode, backlog } = options;
  let fd = -1;
  const bind: Bind = async (temporary) => {
    const bound = makeListening(poller, Buffer.from(temporary), backlog, mode);
    fd = bound;
    return () => poller.close(bound);
  };
  const taken = await claim(target.path, mode, bind, (directory) => takeTurn(poller.native, directory));
  return new UnixListener(poller, fd, target.text, options, taken);
}

function listenActivated(
  poller: Poller,
  target: ListenTarget & { kind: "activation" },
  options: ListenOptions,
): Listener {
  const { native } = poller;
  const { fd, address } = takeActivated(target, (fd) => lookByCalls(native, fd));
  try {
    native.adopt(fd);
    // It listens already. From now on callers are told this process and not the manager: SO_PEERCRED, unix(7).
    native.listen(fd, options.backlog);
  } catch (error) {
    throw fromSystem(error, "listen", target.text);
  }
  return new UnixListener(poller, fd, address, options, undefined, true);
}

function bindAbstract(poller: Poller, target: SocketTarget, backlog: number): number {
  try {
    return makeListening(poller, socketAddress(target), backlog);
  } catch (error) {
    const fact = systemCode(error) === "EADDRINUSE" ? "another program has this abstract name" : undefined;
    throw fromSystem(error, "listen", target.text, fact);
  }
}

function makeListening({ native }: Poller, address: Buffer, backlog: number, mode?: number): number {
  const fd = native.socket(SOCK_STREAM);
  try {
    // Before the file is there: `bind` gives it this mode, less what the umask takes away.
    if (mode !== undefined) fchmodSync(fd, mode);
    native.bind(fd, address);
    native.listen(fd, backlog);
  } catch (error) {
    native.close(fd);
    throw error;
  }
  return fd;
}

/** Goes on with a socket that another process listened on, and with its file. @throws EarshotError; then it is closed */
export function inheritUnix(poller: Poller, target: SocketTarget, estate: Estate, options: ListenOptions): Listener {
  const fd = poller.native.adopt(estate.fd);
  try {
    if (poller.native.socketOption(fd, SO_ACCEPTCONN) !== 1) throw new Error("it is no listening socket");
    const { file } = estate;
    if (file === undefined || target.kind !== "path")
      return new UnixListener(poller, fd, target.text, options, undefined);
    if (!isSameFile(socketAt(target.path, target.text), file)) throw new Error("its file is not there any more");
    const taken = { path: target.path, release: () => removeIfSame(target.path, file), dispose() {}, identity: file };
    return new UnixListener(poller, fd, target.text, options, taken);
  } catch (error) {
    poller.close(fd);
    const reason = error instanceof Error ? error.message : String(error);
    throw failure("SYSTEM_ERROR", "listen", target.text, `the socket cannot be taken over: ${reason}`, {
      cause: error,
    });
  }
}

class UnixListener implements Listener, Pollable {
  readonly address: string;
  readonly #poller: Poller;
  readonly #fd: number;
  readonly #options: ListenOptions;
  readonly #claim: Claim | undefined;
  /** The service manager has it, too. */
  readonly #isShared: boolean;
  #absence: Absence | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isFailing = false;
  #isClosed = false;

  constructor(
    poller: Poller,
    fd: number,
    address: string,
    options: ListenOptions,
    taken: Claim | undefined,
    isShared = false,
  ) {
    this.#isShared = isShared;
    this.address = address;
    this.#poller = poller;
    this.#fd = fd;
    this.#options = options;
    this.#claim = taken;
    poller.watch(fd, this, READABLE);
  }

  onReady(): number {
    if (!this.#isClosed) this.#accept(MAX_ACCEPTS);
    return 0;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#absence?.end();
    this.#claim?.release();
    // Who connected before the file went away is in the kernel's queue. To an abstract name new ones may come for ever.
    this.#accept(this.#options.backlog + 1);
    this.#poller.close(this.#fd);
    this.#claim?.dispose();
  }

  async leaveIfUnused(): Promise<boolean> {
    if (this.#isClosed) return true;
    if (this.#isShared) {
      // Who is in the queue waits for the next process.
      this.abandon();
      return true;
    }
    const absence = new Absence(this.#claim);
    this.#absence = absence;
    // Who could not be accepted before is looked for now, and not after the last call.
    if (this.#isFailing) this.#lookAgain();
    await absence.over;
    this.#absence = undefined;
    if (absence.isBack && !this.#isClosed) return false;
    if (!this.#isClosed) this.#refuse();
    await this.close();
    return true;
  }

  get estate(): Estate | undefined {
    return this.#isClosed ? undefined : { fd: this.#fd, file: this.#claim?.identity };
  }

  abandon(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#poller.close(this.#fd);
    this.#claim?.dispose();
  }

  #accept(most: number): void {
    for (let count = 0; count < most; count++) {
      let fd: number;
      try {
        fd = this.#poller.native.accept(this.#fd);
      } catch (error) {
        // After `refuse`, that the queue is empty: accept(2).
        if (this.#isClosed && systemCode(error) === "EINVAL") return;
        this.#failed(fromSystem(error, "listen", this.address));
        return;
      }
      if (fd === WOULD_BLOCK) return;
      this.#isFailing = false;
      this.#absence?.onCaller();
      this.#options.onTransport(new UnixTransport(this.#poller, fd, this.#options.spinUs));
    }
  }

  /** From now on nobody can come between the last that is accepted and the end. */
  #refuse(): void {
    this.#poller.watch(this.#fd, this, 0);
    try {
      this.#poller.native.refuse(this.#fd);
    } catch (error) {
      this.#options.onError(fromSystem(error, "listen", this.address));
    }
  }

  /** It stays ready, and would be reported without end. */
  #failed(error: EarshotError): void {
    // Once for all that fail in a row.
    if (!this.#isFailing) this.#options.onError(error);
    this.#isFailing = true;
    if (this.#isClosed) return;
    // Somebody is there, even so.
    this.#absence?.onCaller();
    this.#poller.watch(this.#fd, this, 0);
    this.#retry = setTimeout(() => this.#lookAgain(), RETRY_MS);
  }

  #lookAgain(): void {
    clearTimeout(this.#retry);
    this.#poller.watch(this.#fd, this, READABLE);
  }
}
