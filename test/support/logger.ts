import type { EarshotError, Logger } from "../../src/index.js";

export interface Line {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
  /** What came with the text. */
  readonly peer?: number;
  readonly address?: string;
  readonly error?: EarshotError;
}

/** Keeps what was logged. */
export class MemoryLogger implements Logger {
  readonly lines: Line[] = [];

  /** The lines of these levels; without any, those that a person should see. */
  at(...levels: Line["level"][]): Line[] {
    const wanted = levels.length === 0 ? ["warn", "error"] : levels;
    return this.lines.filter(({ level }) => wanted.includes(level));
  }

  debug = (object: object, text: string): void => this.#keep("debug", object, text);
  info = (object: object, text: string): void => this.#keep("info", object, text);
  warn = (object: object, text: string): void => this.#keep("warn", object, text);
  error = (object: object, text: string): void => this.#keep("error", object, text);

  #keep(level: Line["level"], object: object, text: string): void {
    this.lines.push({ level, text, ...object });
  }
}
