import { readFileSync } from "node:fs";

/** One frame of `test/vectors/frames.json`; which members there are depends on its type. */
export interface FrameVector {
  readonly type: string;
  readonly flags?: readonly string[];
  readonly exchange?: string;
  readonly deadlineMs?: number;
  readonly sizeBytes?: string;
  /** The field of OPEN, or what a WINDOW frame adds. */
  readonly windowBytes?: number;
  /** Of OPEN with META. */
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** In hexadecimal. */
  readonly body?: string;
  readonly json?: unknown;
  readonly code?: number;
  readonly remoteCode?: string;
  readonly text?: string;
}

export interface FramesVector {
  readonly name: string;
  readonly hex: string;
  readonly frames: readonly FrameVector[];
}

export interface ViolationVector {
  readonly name: string;
  readonly receiver: "server" | "client" | "both";
  /** Whether the receiver takes messages, or asks for its reply, as streams. */
  readonly streams?: boolean;
  readonly hex: string;
  readonly error: "PROTOCOL_VIOLATION" | "VERSION_MISMATCH";
}

export interface MessageVector {
  readonly text?: string;
  readonly hex?: string;
  readonly repeat?: string;
  readonly times?: number;
  /** Written in these pieces, each a frame, and then ended. */
  readonly stream?: readonly string[];
  /** How the reply is wanted. */
  readonly body?: "stream";
  readonly deadlineMs?: number;
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ConversationVector {
  readonly name: string;
  readonly wire: "framed" | "plain";
  /** Whether the server takes messages as streams. */
  readonly streams?: boolean;
  readonly messages?: readonly MessageVector[];
  readonly client: string;
  readonly server: string;
  readonly replies?: readonly string[];
}

function read(name: string): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));
}

export const frameVectors = read("frames").frames as readonly FramesVector[];
export const violationVectors = read("violations").violations as readonly ViolationVector[];
export const conversationVectors = read("conversations").conversations as readonly ConversationVector[];
