import { readdirSync, readFileSync } from "node:fs";
import { ROOT } from "../support/process.js";

/** A fenced block of a document. */
export interface Block {
  /** From the root, as `docs/streams.md`. */
  readonly document: string;
  readonly language: string;
  /**
   * What follows the language, for these tests: `no-run: WHY` is not run, `file=NAME` is a file that later blocks of the
   * same document use, `addon` needs the native addon.
   */
  readonly info: string;
  /** Of its first line of text, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Every document that users read, from the root. */
export function documents(): string[] {
  const guide = readdirSync(`${ROOT}docs`).filter((name) => name.endsWith(".md"));
  const others = readdirSync(ROOT).filter((name) => name.endsWith(".md"));
  return [...others, ...guide.map((name) => `docs/${name}`)].sort();
}

export function read(document: string): string {
  return readFileSync(ROOT + document, "utf8");
}

/** The fenced blocks of README and the guide, in these languages. */
export function blocks(...languages: readonly string[]): Block[] {
  const guide = documents().filter((document) => document === "README.md" || document.startsWith("docs/"));
  return guide.flatMap((document) => blocksOf(document).filter(({ language }) => languages.includes(language)));
}

export function blocksOf(document: string): Block[] {
  const text = read(document);
  return Array.from(text.matchAll(/^```(\w+)(.*)\n([\s\S]*?)^```$/gm), ({ index, 1: language, 2: info, 3: body }) => ({
    document,
    language: String(language),
    info: String(info).trim(),
    line: text.slice(0, index).split("\n").length + 1,
    text: String(body),
  }));
}

/** `docs/streams.md:17` */
export function placeOf({ document, line }: Block): string {
  return `${document}:${line}`;
}

/** The name that a block has for others of its document. */
export function fileOf({ info }: Block): string | undefined {
  return /\bfile=(\S+)/.exec(info)?.[1];
}

export function isRunnable(block: Block): boolean {
  return !block.info.startsWith("no-run") && fileOf(block) === undefined;
}

/** What `// ` says after a line that prints, and `# ` in a shell, in the order of the text. */
export function said({ language, text }: Block): string[] {
  const pattern = language === "sh" ? /\S {2,}# (.*)$/gm : /console\.log\(.*\);? \/\/ (.*)$/gm;
  return Array.from(text.matchAll(pattern), ([, comment = ""]) => comment);
}
