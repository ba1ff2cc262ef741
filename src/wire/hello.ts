import { violation } from "./decode.js";
import { encodeControl } from "./encode.js";
import { FIRST_WINDOW_BYTES, FrameType, MAX_CONTROL_PAYLOAD_BYTES, PREFACE, PROTOCOL_VERSION } from "./frame.js";

/** An application's own name and version, as it tells them to the other side. */
export interface AppInfo {
  /** 1 to 256 characters. */
  readonly name: string;
  /** 1 to 256 characters, of any form. */
  readonly version: string;
}

/** The contract that a side serves or calls, and the codecs that it takes. */
export interface ContractInfo extends AppInfo {
  readonly codecs: readonly string[];
}

/** What each side says first. */
export interface Hello {
  /** The oldest and the newest protocol version that it speaks. */
  readonly versions: readonly [number, number];
  readonly features: readonly string[];
  /** What it accepts from the other side. */
  readonly limits: {
    readonly maxMessageBytes: number;
    readonly maxInFlight: number;
    /** Descriptors with one message; none where nothing is said. */
    readonly maxDescriptors?: number;
    /** How much of each message is taken before a WINDOW; messages are collected where nothing is said. */
    readonly windowBytes?: number;
    /** How much memory of the other side it has at a time, where loans are taken; none where nothing is said. */
    readonly loanBytes?: number;
  };
  readonly app: AppInfo | undefined;
  readonly contract?: ContractInfo | undefined;
}

/** A caller that sends nothing but SYSTEM messages, so that no version of the application need suit it. */
export const SYSTEM_FEATURE = "system";

/** A side that can take its bytes from shared memory: see LANE. */
export const SHARED_FEATURE = "shared";
/** A caller that wants to do so from the first message on. */
export const SHARED_FIRST_FEATURE = "shared-first";
/** A side that takes messages where they are, in memory of the other side: see LEND. */
export const LOANS_FEATURE = "loans";

/** The longest name or version of an application, in UTF-16 units. */
export const MAX_APP_TEXT = 256;
const MAX_FEATURES = 64;
const MAX_CODECS = 16;

/** The preface and the HELLO frame: the first bytes of a direction. @param hello in JSON */
export function encodeGreeting(hello: string): Buffer {
  const payload = Buffer.from(hello);
  return Buffer.concat([PREFACE, encodeControl(FrameType.HELLO, 0, payload)]);
}

export function ownHello(
  limits: Hello["limits"],
  app: AppInfo | undefined,
  features: readonly string[] = [],
  contract?: ContractInfo,
): Hello {
  return { versions: [PROTOCOL_VERSION, PROTOCOL_VERSION], features, limits, app, ...(contract && { contract }) };
}

/** @throws EarshotError `PROTOCOL_VIOLATION` if it is not what PROTOCOL.md says. Unknown members are ignored. */
export function decodeHello(payload: Buffer): Hello {
  if (payload.length > MAX_CONTROL_PAYLOAD_BYTES) throw violation("a HELLO that is too long");
  const value = asRecord(parse(payload));
  const versions = value.versions;
  const limits = asRecord(value.limits ?? {});
  const features = value.features ?? [];
  if (!Array.isArray(versions) || versions.length !== 2) throw violation("a HELLO without versions");
  if (!Array.isArray(features) || features.length > MAX_FEATURES) throw violation("a HELLO with wrong features");
  const oldest = asCount(versions[0]);
  const newest = asCount(versions[1]);
  if (oldest > newest) throw violation("a HELLO whose oldest version is after its newest");
  return {
    versions: [oldest, newest],
    features: features.filter((feature) => typeof feature === "string"),
    limits: {
      maxMessageBytes: asCount(limits.maxMessageBytes ?? Number.MAX_SAFE_INTEGER),
      maxInFlight: Math.max(1, asCount(limits.maxInFlight ?? 1)),
      ...(limits.maxDescriptors === undefined ? {} : { maxDescriptors: asCount(limits.maxDescriptors) }),
      ...(limits.windowBytes === undefined ? {} : { windowBytes: asWindow(limits.windowBytes) }),
      ...(limits.loanBytes === undefined ? {} : { loanBytes: asCount(limits.loanBytes) }),
    },
    app: asApp(value.app, "application"),
    ...(value.contract === undefined ? {} : { contract: asContract(value.contract) }),
  };
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString("utf8"));
  } catch {
    throw violation("a HELLO that is not JSON");
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw violation("a HELLO of wrong shape");
  return value as Readonly<Record<string, unknown>>;
}

function asCount(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw violation("a HELLO with a wrong number");
  return value;
}

function asWindow(value: unknown): number {
  const bytes = asCount(value);
  if (bytes < FIRST_WINDOW_BYTES) throw violation(`a HELLO with a window below ${FIRST_WINDOW_BYTES} bytes`);
  return bytes;
}

function asApp(value: unknown, what: string): AppInfo | undefined {
  if (value === undefined || value === null) return undefined;
  const { name, version } = asRecord(value);
  if (typeof name !== "string" || typeof version !== "string") throw violation(`a HELLO with a wrong ${what}`);
  if (name.length > MAX_APP_TEXT || version.length > MAX_APP_TEXT) throw violation(`a HELLO with too long a ${what}`);
  return { name, version };
}

function asContract(value: unknown): ContractInfo | undefined {
  const info = asApp(value, "contract");
  if (info === undefined) return undefined;
  const { codecs } = asRecord(value);
  if (!Array.isArray(codecs) || codecs.length > MAX_CODECS) throw violation("a HELLO with wrong codecs");
  return { ...info, codecs: codecs.filter((codec) => typeof codec === "string") };
}
