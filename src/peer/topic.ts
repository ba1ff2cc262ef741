import { EarshotError } from "../errors.js";

/** As bytes of UTF-8, so that one byte says how long it is. */
export const MAX_TOPIC_BYTES = 255;
const SEPARATOR = ".";
/** In a pattern: any one token. */
export const ANY_TOKEN = "*";
/** At the end of a pattern: one token or more, whatever they are. */
export const ANY_REST = ">";
/** What no token contains. The wildcards are kept for patterns, and white space is what other systems divide by. */
const NO_TOKEN = /[\s\p{Cc}*>]/u;

export function tokensOf(topic: string): string[] {
  return topic.split(SEPARATOR);
}

/** What is wrong with a topic; `undefined` for one that can be used. */
export function topicObjection(topic: unknown): string | undefined {
  if (typeof topic !== "string") return `it is a text, this is ${topic === null ? "null" : typeof topic}`;
  return lengthObjection(topic) ?? firstObjection(tokensOf(topic));
}

/** As `topicObjection`, for a pattern. */
export function patternObjection(pattern: unknown): string | undefined {
  if (typeof pattern !== "string") return `it is a text, this is ${pattern === null ? "null" : typeof pattern}`;
  const tokens = tokensOf(pattern);
  if (tokens.at(-1) === ANY_REST) tokens.pop();
  return lengthObjection(pattern) ?? firstObjection(tokens.filter((token) => token !== ANY_TOKEN));
}

function lengthObjection(text: string): string | undefined {
  if (text.length <= MAX_TOPIC_BYTES && Buffer.byteLength(text) <= MAX_TOPIC_BYTES) return undefined;
  return `it has more than ${MAX_TOPIC_BYTES} bytes`;
}

function firstObjection(tokens: readonly string[]): string | undefined {
  if (tokens.some((token) => token === "")) return "each of its tokens, between the dots, has at least one character";
  if (!tokens.some((token) => NO_TOKEN.test(token))) return undefined;
  return "its tokens have no white space, and * and > are whole tokens of patterns only, > the last one";
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkTopic(topic: unknown): string {
  const objection = topicObjection(topic);
  if (objection === undefined) return topic as string;
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use topic ${JSON.stringify(topic)}: ${objection}`);
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkPattern(pattern: unknown): string {
  const objection = patternObjection(pattern);
  if (objection === undefined) return pattern as string;
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use pattern ${JSON.stringify(pattern)}: ${objection}`);
}

/** Whether a topic is one of those that a pattern means. */
export function matches(pattern: readonly string[], topic: readonly string[]): boolean {
  const hasRest = pattern.at(-1) === ANY_REST;
  const length = hasRest ? pattern.length - 1 : pattern.length;
  if (hasRest ? topic.length <= length : topic.length !== length) return false;
  for (let index = 0; index < length; index++) {
    if (pattern[index] !== ANY_TOKEN && pattern[index] !== topic[index]) return false;
  }
  return true;
}
