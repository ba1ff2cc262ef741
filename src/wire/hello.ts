import { violation } from "./decode.js";
import { encodeControl } from "./encode.js";
import { FIRST_WINDOW_BYTES, FrameType, MAX_CONTROL_PAYLOAD_BYTES, PREFACE, PROTOCOL_VERSION } from "./frame.js";

/** An application's own name and version, as it tells them to the other side. */
export interface AppInfo {
  readonly name: string;
  readonly version: string;
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
  };
  readonly app: AppInfo | undefined;
}

/** A caller that sends nothing but SYSTEM messages, so that no version of the application need suit it. */
export const SYSTEM_FEATURE = "system";

/** The longest name or version of an application, in UTF-16 units. */
export const MAX_APP_TEXT = 256;
const MAX_FEATURES = 64;

/** The preface and the HELLO frame: the first bytes of a direction. */
export function encodeGreeting(hello: Hello): Buffer {
  const payload = Buffer.from(JSON.stringify(hello));
  return Buffer.concat([PREFACE, encodeControl(FrameType.HELLO, 0, payload)]);
}

export function ownHello(limits: Hello["limits"], app: AppInfo | undefined, features: readonly string[] = []): Hello {
  return { versions: [PROTOCOL_VERSION, PROTOCOL_VERSION], features, limits, app };
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
    },
    app: asApp(value.app),
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

function asApp(value: unknown): AppInfo | undefined {
  if (value === undefined || value === null) return undefined;
  const { name, version } = asRecord(value);
  if (typeof name !== "string" || typeof version !== "string") throw violation("a HELLO with a wrong application");
  if (name.length > MAX_APP_TEXT || version.length > MAX_APP_TEXT) {
    throw violation("a HELLO with too long an application");
  }
  return { name, version };
}
