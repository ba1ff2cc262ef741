import { readFileSync } from "node:fs";

/** One frame of `test/vectors/frames.json`; which members there are depends on its type. */
export interface FrameVector {
  readonly type: string;
  readonly flags?: readonly string[];
  readonly exchange?: string;
  readonly deadlineMs?: number;
  readonly sizeBytes?: string;
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
  readonly hex: string;
  readonly error: "PROTOCOL_VIOLATION" | "VERSION_MISMATCH";
}

export interface MessageVector {
  readonly text?: string;
  readonly hex?: string;
  readonly repeat?: string;
  readonly times?: number;
  readonly deadlineMs?: number;
}

export interface ConversationVector {
  readonly name: string;
  readonly wire: "framed" | "plain";
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
