import { type ListenOptions, listen, type Server } from "../index.js";
import {
  COMMON_OPTIONS,
  checkVoice,
  parse,
  readBytes,
  readChoice,
  readMode,
  readTimeout,
  takePositionals,
  UsageError,
} from "./arguments.js";
import { Ending } from "./ending.js";
import { Exit } from "./exit-codes.js";
import { type Answer, describing, echoing, hold, once, recording, replying } from "./handlers.js";
import { sendCommand } from "./hint.js";
import { stderrLogger } from "./log.js";
import { isBrokenPipe, write } from "./output.js";
import { fileSink, OutputError, type Sink, standardOutput } from "./sink.js";

export { report } from "./report.js";

const OPTIONS = {
  ...COMMON_OPTIONS,
  echo: { type: "boolean" },
  reply: { type: "string" },
  exec: { type: "string" },
  output: { type: "string" },
  wire: { type: "string" },
  mode: { type: "string" },
  "max-message-bytes": { type: "string" },
  once: { type: "boolean" },
  publish: { type: "string" },
  "take-over": { type: "boolean" },
  "idle-exit-ms": { type: "string" },
} as const;

type Values = Awaited<ReturnType<typeof parse<typeof OPTIONS>>>["values"];

/** `earshot listen ADDRESS` */
export async function run(args: readonly string[]) {
  const { values, positionals } = await parse("listen", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("listen");
  const [address] = takePositionals("listen", positionals, ["ADDRESS"]);
  const options = readOptions(values);
  const { maxMessageBytes = Infinity } = options;
  const answer = await chooseAnswer(values, maxMessageBytes);

  const ending = new Ending(process);
  const { signal } = ending;
  const sink = await openSink(values.output, (error) => ending.begin(isBrokenPipe(error) ? undefined : error));
  const next = values.once ? once(answer, () => ending.begin()) : answer;
  // What is told of a message in JSON has all of it in one object.
  const server = await start(signal, () =>
    values.json
      ? listen(address, describing(sink, next), { ...options, signal })
      : listen(address, recording(sink, maxMessageBytes, next), { ...options, signal, body: "stream" }),
  );
  if (server === undefined) return Exit.OK;
  if (!values.quiet) await announce(server, address, values);
  if (values.publish !== undefined) void publish(server, values.publish, options.maxMessageBytes, ending);
  const code = await Promise.race([server.closed, ending.forced]);
  sink.close();
  if (code !== undefined) {
    // Cuts what is left. Its handlers are told before the process ends, and kill the commands that they run.
    await server.close();
    return code;
  }
  ending.throwIfFailed();
  return Exit.OK;
}

/** @throws UsageError */
function readOptions(values: Values) {
  checkVoice("listen", values);
  const { json = false, quiet, verbose } = values;
  return {
    wire: readChoice("listen", "wire", values.wire, ["auto", "plain", "framed"]),
    mode: readMode("listen", values.mode),
    takeOver: values["take-over"],
    idleExitMs: readTimeout("listen", values["idle-exit-ms"], "idle-exit-ms"),
    maxMessageBytes: readBytes("listen", "max-message-bytes", values["max-message-bytes"]),
    logger: quiet ? undefined : stderrLogger(verbose ? "debug" : "warn", json),
  } satisfies ListenOptions;
}

/** @throws UsageError */
async function chooseAnswer(values: Values, maxOutputBytes: number): Promise<Answer> {
  const { echo, reply, exec } = values;
  if ([echo, reply, exec].filter((value) => value !== undefined).length > 1) {
    throw new UsageError("--echo, --reply and --exec exclude each other", "listen");
  }
  const timeoutMs = readTimeout("listen", values["timeout-ms"]);
  if (exec !== undefined) {
    const { runCommand } = await import("./exec.js");
    return ({ body }, { signal, wire }) =>
      hold(runCommand(exec, body, { signal, timeoutMs: timeoutMs ?? 0, maxOutputBytes }), wire);
  }
  if (timeoutMs !== undefined) throw new UsageError("--timeout-ms is for the command of --exec", "listen");
  return echo ? echoing : replying(reply);
}

/** @param onBroken standard output takes nothing any more @throws UsageError, OutputError */
async function openSink(path: string | undefined, onBroken: (error: unknown) => void): Promise<Sink> {
  if (path === undefined || path === "-") return standardOutput(onBroken);
  if (path === "") throw new UsageError('--output "": a file, a directory or - is needed', "listen");
  try {
    const { directorySink } = await import("./directory-sink.js");
    return (await directorySink(path)) ?? (await fileSink(path));
  } catch (error) {
    throw new OutputError(`cannot write to ${JSON.stringify(path)}`, error);
  }
}

/** The end of standard input ends the server, and so does what cannot be published. */
async function publish(
  server: Server,
  topic: string,
  maxBytes: number | undefined,
  ending: Pick<Ending, "begin">,
): Promise<void> {
  try {
    await (await import("./publish.js")).publishLines(server, topic, process.stdin, maxBytes);
    ending.begin();
  } catch (error) {
    ending.begin(error);
  }
}

/** Resolves with `undefined` when it was told to end before it had begun. */
async function start(signal: AbortSignal, begin: () => Promise<Server>): Promise<Server | undefined> {
  try {
    return await begin();
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function announce(server: Server, address: string, { json, wire }: Values): Promise<void> {
  // A bare name is good in every directory; a relative path is not.
  const target = /[/:]/.test(address) ? server.address : address;
  // Without the addon, a socket that was passed may not tell where it is.
  const isKnown = server.address.startsWith("unix:");
  const hint = json || !isKnown ? "" : `from another terminal: ${sendCommand(target, wire === "plain")}\n`;
  await write(process.stderr, `listening on ${server.address}\n${hint}`).catch(() => {});
}
