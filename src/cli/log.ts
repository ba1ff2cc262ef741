import type { Logger } from "../index.js";
import { toLine, write } from "./output.js";

const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = (typeof LEVELS)[number];

/** The library's log on standard error, one line each, from `least` upwards. */
export function stderrLogger(least: Level, isJson: boolean): Logger {
  const format = isJson ? formatJson : formatText;
  const at = (level: Level) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return () => {};
    return (object: object, text: string) => {
      // A log that nobody reads stops nothing.
      void write(process.stderr, `${format(level, object, text)}\n`).catch(() => {});
    };
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function formatJson(level: Level, object: object, text: string): string {
  return JSON.stringify({ level, message: text, ...object }, (_key, value: unknown) =>
    value instanceof Error ? { message: value.message, code: codeOf(value) } : value,
  );
}

function formatText(level: Level, object: object, text: string): string {
  const parts = Object.entries(object)
    .filter(([, value]) => value !== undefined && !(value instanceof Error && text.includes(value.message)))
    .map(([key, value]) => `${key}: ${value instanceof Error ? value.message : inJson(value)}`);
  return toLine(`earshot: ${level}: ${text}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`);
}

function inJson(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function codeOf(error: Error): unknown {
  return "code" in error ? error.code : undefined;
}
