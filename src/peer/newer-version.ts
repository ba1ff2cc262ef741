/** Numbers with dots between, and what follows a hyphen; what follows a plus says nothing about the order. */
const VERSION = /^v?(\d{1,15}(?:\.\d{1,15})*)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$/;

interface Version {
  readonly numbers: readonly number[];
  /** Empty for a release, which comes after all that lead to it. */
  readonly before: readonly string[];
}

/** Whether one version comes after another, as semver.org orders them; `false` where either is of another form. */
export function isNewer(one: string, other: string): boolean {
  const [left, right] = [parse(one), parse(other)];
  if (left === undefined || right === undefined) return false;
  for (let at = 0; at < Math.max(left.numbers.length, right.numbers.length); at++) {
    const difference = (left.numbers[at] ?? 0) - (right.numbers[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return comparePrereleases(left.before, right.before) > 0;
}

function parse(text: string): Version | undefined {
  const [, numbers, before = ""] = VERSION.exec(text) ?? [];
  if (numbers === undefined) return undefined;
  return { numbers: numbers.split(".").map(Number), before: before === "" ? [] : before.split(".") };
}

function comparePrereleases(left: readonly string[], right: readonly string[]): number {
  if (left.length === 0 || right.length === 0) return right.length - left.length;
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const difference = compareParts(left[at] ?? "", right[at] ?? "");
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Numbers by value, and before words. */
function compareParts(left: string, right: string): number {
  const [isLeftNumber, isRightNumber] = [/^\d+$/.test(left), /^\d+$/.test(right)];
  if (isLeftNumber && isRightNumber) return Number(left) - Number(right);
  if (isLeftNumber !== isRightNumber) return isLeftNumber ? -1 : 1;
  return left === right ? 0 : left < right ? -1 : 1;
}
