import { PREFACE } from "./frame.js";

/**
 * What the first bytes of a connection say about its wire. `"undecided"` only while all of them, fewer than 8, agree
 * with the preface.
 */
export function detectWire(bytes: Uint8Array): "framed" | "plain" | "undecided" {
  const length = Math.min(bytes.length, PREFACE.length);
  for (let index = 0; index < length; index++) {
    if (bytes[index] !== PREFACE[index]) return "plain";
  }
  return length === PREFACE.length ? "framed" : "undecided";
}
