/** So many letters may be wrong, missing, too many or swapped. */
const MAX_DISTANCE = 2;

/** The word that was most likely meant, if any is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = MAX_DISTANCE + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    // A word of two letters is within two mistakes of every other.
    if (distance < bestDistance && distance < candidate.length / 2) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** What `parseArgs` found wrong, in one line and with a way out. */
export function explainParseError(error: unknown, options: readonly string[], command: string): string {
  if (!(error instanceof Error)) throw error;
  const code = "code" in error ? error.code : undefined;
  if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
    const name = /'(-[^']*)'/.exec(error.message)?.[1] ?? "";
    const near = nearest(name.replace(/^-+/, ""), options);
    const remedy =
      near === undefined
        ? `${command === "call" ? "an input" : "a message"} that begins with - goes after --`
        : `did you mean ${JSON.stringify(`--${near}`)}?`;
    return `there is no option ${JSON.stringify(name)}; ${remedy}`;
  }
  if (code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") return error.message.replace(/\s+/g, " ");
  throw error;
}

/** Levenshtein's, with two swapped letters as one mistake. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const replaced = at(last, j - 1) + (isSame ? 0 : 1);
      const swapped = isSwapped ? at(beforeLast, j - 2) + 1 : Infinity;
      row.push(Math.min(replaced, at(last, j) + 1, at(row, j - 1) + 1, swapped));
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
