import { EarshotError } from "../errors.js";
import { checkTimeout } from "./options.js";

/** How to start a server that is not there. */
export interface StartOptions {
  /** A program, by its path or its name in `PATH`; `process.execPath` for a program of Node's. No shell is involved. */
  readonly command: string;
  /** Default none. */
  readonly args?: readonly string[] | undefined;
  /** All of its environment. Default: this process's, without what a service manager has told this process alone. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Where it runs; default: where this process does. A directory in which a process runs cannot be unmounted. */
  readonly cwd?: string | undefined;
  /** From finding nobody until the server answers, in milliseconds; default 10 s, 0 for no limit. Who is late is ended. */
  readonly readyTimeoutMs?: number | undefined;
  /**
   * What its standard output and error are added to; made if it is not there, for this user alone. Default: a hidden file
   * beside the socket, `.NAME.log`, which each start replaces.
   */
  readonly logFile?: string | undefined;
}

/** What a service manager tells one process: it is not true of those that it starts. sd_notify(3), sd_listen_fds(3) */
const NOT_INHERITED = [
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "LISTEN_PID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
  "LISTEN_PIDFDID",
];

const READY_TIMEOUT_MS = 10_000;

/** The same, with defaults. */
export interface CheckedStart {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string | undefined;
  readonly readyTimeoutMs: number;
  readonly logFile: string | undefined;
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkStart(start: StartOptions): CheckedStart {
  if (typeof start !== "object" || start === null) throw wrong("start", start, "an object with command and args");
  const { command, args = [], env, cwd, readyTimeoutMs = READY_TIMEOUT_MS, logFile } = start;
  if (!isText(command)) throw wrong("start.command", command, "the path or name of a program");
  if (!Array.isArray(args) || !args.every((text) => typeof text === "string" && !text.includes("\0"))) {
    throw wrong("start.args", args, "a list of texts");
  }
  if (env !== undefined && (typeof env !== "object" || env === null || Array.isArray(env))) {
    throw wrong("start.env", env, "an object of texts");
  }
  for (const [name, value] of Object.entries(env ?? {})) assertVariable(name, value);
  if (cwd !== undefined && !isText(cwd)) throw wrong("start.cwd", cwd, "the path of a directory");
  if (logFile !== undefined && !isText(logFile)) throw wrong("start.logFile", logFile, "the path of a file");
  const limitMs = checkTimeout("start.readyTimeoutMs", readyTimeoutMs);
  return { command, args, env: env ?? inherited(), cwd, readyTimeoutMs: limitMs, logFile };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}

function assertVariable(name: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value === "string" && !`${name}${value}`.includes("\0")) return;
  // What it holds may be secret.
  const fact = `Cannot use start.env: ${JSON.stringify(name)} in it is no name with a text, both without a NUL`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

function wrong(name: string, value: unknown, what: string): EarshotError {
  return new EarshotError("INVALID_ARGUMENT", `Cannot use ${name}: ${JSON.stringify(value)}; it is ${what}`);
}

function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_INHERITED.includes(name)));
}
