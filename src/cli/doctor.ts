import { type Examination, examine } from "../index.js";
import { COMMON_OPTIONS, checkVoice, parse, readChoice, readTimeout, takePositionals } from "./arguments.js";
import { EXIT_OF_ERROR, Exit, type ExitCode } from "./exit-codes.js";
import { toLine, write } from "./output.js";

export { report } from "./report.js";

const OPTIONS = { ...COMMON_OPTIONS, wire: { type: "string" } } as const;

const STATES: Readonly<Record<Examination["state"], string>> = {
  live: "a server takes connections",
  busy: "a server listens, and has more callers than it takes",
  free: "nothing is there",
  stale: "the socket file of a server that is gone",
  forbidden: "this user may not connect",
  blocked: "something else is there",
  unusable: "no place for a socket",
};

/** `earshot doctor ADDRESS` */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = await parse("doctor", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("doctor");
  const [address] = takePositionals("doctor", positionals, ["ADDRESS"]);
  checkVoice("doctor", values);
  const wire = readChoice("doctor", "wire", values.wire, ["framed", "plain"]);
  const timeoutMs = readTimeout("doctor", values["timeout-ms"]);
  const { json: isJson = false } = values;
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;

  const examination = await examine(address, { wire, timeoutMs, logger });
  const code = exitOf(examination);
  if (isJson) await write(process.stdout, `${JSON.stringify({ ok: code === Exit.OK, ...examination })}\n`);
  else if (!values.quiet) await write(process.stdout, describe(examination));
  return code;
}

function exitOf({ findings }: Examination): ExitCode {
  const code = findings.find((finding) => finding.code !== undefined)?.code;
  return code === undefined ? Exit.OK : EXIT_OF_ERROR[code];
}

function describe(examination: Examination): string {
  const { address, resolved, findings } = examination;
  const lines = ROWS.map(([name, row]) => [name, row(examination)] as const)
    .filter(([, text]) => text !== undefined)
    .map(([name, text]) => `  ${name.padEnd(11)}${toLine(String(text))}`);
  const told = findings.map(({ code, text }) => `${code === undefined ? "-" : "!"} ${toLine(text)}`);
  return `${[toLine(resolved ?? address), ...lines, ...told].join("\n")}\n`;
}

/** What there is to tell of each; `undefined` for nothing. */
const ROWS: readonly (readonly [name: string, row: (examination: Examination) => string | undefined])[] = [
  ["state", ({ state }) => `${state}: ${STATES[state]}`],
  ["path", ({ path }) => path && `${path.bytes} of the ${path.limitBytes} bytes that a socket's may have`],
  ["file", describeFile],
  ["directory", describeDirectory],
  ["server", describeServer],
  ["answer", describeAnswer],
  ["addon", ({ system: { addon, transport } }) => `${addon}; listen and dial use ${transport} sockets`],
  ["system", ({ system: { system, node } }) => `${system}, Node ${node}`],
  ["kernel", describeFeatures],
];

function describeFile({ file }: Examination): string | undefined {
  if (file === undefined) return undefined;
  const target = file.target === undefined ? "" : ` to ${file.target}`;
  return `${file.kind}${target}, mode ${file.mode}, ${user(file.uid)}, gid ${file.gid}`;
}

function describeDirectory({ directory, path }: Examination): string | undefined {
  if (directory === undefined) return path && "not there yet; `listen` makes it, for this user alone";
  const { path: text, mode, uid, gid, danger } = directory;
  const judgement = danger === undefined ? "safe" : "not safe";
  return `${text}, mode ${mode}, ${user(uid)}, gid ${gid}: ${judgement}`;
}

function describeServer({ server }: Examination): string | undefined {
  if (server === undefined) return undefined;
  const { pid, uid, startedAt, command } = server;
  const who = [pid === undefined ? "process unknown" : `process ${pid}`, uid === undefined ? undefined : user(uid)];
  const since = startedAt === undefined ? undefined : `since ${startedAt}`;
  const facts = [...who, since].filter((fact) => fact !== undefined).join(", ");
  return command === undefined ? facts : `${facts}: ${command}`;
}

function describeAnswer({ answer }: Examination): string | undefined {
  if (answer === undefined) return undefined;
  const { wire, roundTripMs, app } = answer;
  const speed = roundTripMs === undefined ? "" : ` in ${roundTripMs.toFixed(2)} ms`;
  const name = app === undefined ? "" : `, ${app.name} ${app.version}`;
  return wire === "other" ? "not as earshot does" : `on the ${wire} wire${speed}${name}`;
}

function describeFeatures({ system: { features } }: Examination): string {
  const { peerPidfd, peerGroups, memfd, exactAbstractNames } = features;
  const answers = {
    SO_PEERPIDFD: peerPidfd,
    SO_PEERGROUPS: peerGroups,
    memfd,
    "exact abstract names": exactAbstractNames,
  };
  return Object.entries(answers)
    .map(([name, answer]) => `${name} ${answerOf(answer)}`)
    .join(", ");
}

function answerOf(value: boolean | undefined): string {
  return value === undefined ? "unknown" : value ? "yes" : "no";
}

function user(uid: number): string {
  return uid === process.geteuid?.() ? `uid ${uid} (you)` : `uid ${uid}`;
}
