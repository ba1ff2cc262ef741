import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";

const STEM_LIMIT_BYTES = 40;
const STEM_CUT_BYTES = 24;
/** What `mkdtemp` appends. */
const RANDOM = "[A-Za-z0-9]{6}";
const HASH_LENGTH = 8;

/** The socket's name inside a private directory. */
export const TEMPORARY_SOCKET = "s";

/** The files that servers make beside a socket path while they take it: hidden, and gone when they have it. */
export interface ClaimNames {
  readonly directory: string;
  /** The private directory's path for `mkdtemp`, which appends six characters. */
  readonly temporaryPrefix: string;
  /** By how many bytes the longest of these names is longer than the socket path; negative if it is shorter. */
  readonly excessBytes: number;
  isTemporary(entry: string): boolean;
  isRight(entry: string): boolean;
  /**
   * The path of the right to replace `inode` at `name`. It depends on both, so that the rights to replace a right
   * never form a circle, however the file system reuses the numbers.
   */
  rightTo(name: string, inode: bigint): string;
}

export function claimNames(path: string): ClaimNames {
  const directory = dirname(path);
  const stem = stemOf(basename(path));
  const temporary = `.${stem}.new-`;
  const right = `.${stem}.take-`;
  const temporaryPattern = new RegExp(`^${RANDOM}$`);
  const rightPattern = new RegExp(`^[0-9a-f]{${HASH_LENGTH}}$`);
  const longest = `${right}${"f".repeat(HASH_LENGTH)}`;
  return {
    directory,
    temporaryPrefix: join(directory, temporary),
    excessBytes: Buffer.byteLength(longest) - Buffer.byteLength(basename(path)),
    isTemporary: (entry) => entry.startsWith(temporary) && temporaryPattern.test(entry.slice(temporary.length)),
    isRight: (entry) => entry.startsWith(right) && rightPattern.test(entry.slice(right.length)),
    rightTo: (name, inode) => join(directory, `${right}${hash(`${inode} ${basename(name)}`)}`),
  };
}

/** A file name may have 255 bytes, a socket's path far fewer: long names are cut, and told apart by a hash. */
function stemOf(name: string): string {
  if (Buffer.byteLength(name) <= STEM_LIMIT_BYTES) return name;
  let stem = "";
  for (const character of name) {
    if (Buffer.byteLength(stem + character) > STEM_CUT_BYTES) break;
    stem += character;
  }
  return `${stem}~${hash(name)}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, HASH_LENGTH);
}
