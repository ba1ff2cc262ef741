import type { Measure } from "./party.js";

/** What is allowed between the beginning, when all is warm, and the end. */
const GROWTH = {
  descriptors: { share: 0, more: 4 },
  memoryBytes: { share: 0.2, more: 16_777_216 },
  diskBytes: { share: 0.1, more: 4_194_304 },
} as const;

export type Kind = keyof typeof GROWTH;
export const KINDS = Object.keys(GROWTH) as Kind[];
/**
 * Where the parts begin that the end is compared with: the highest of them, for who calls does so more slowly while the
 * machine does something else. The very beginning is not looked at: programs are loaded, caches and stores are filled.
 */
const EARLIER = [0.1, 0.2, 0.3, 0.4];
const PART = 0.2;

export interface Flatness {
  readonly kind: Kind;
  /** Medians of a part. */
  readonly before: number;
  readonly after: number;
  readonly isFlat: boolean;
}

/** Whether one party holds at the end what it held when it was warm. */
export function flatness(measures: readonly Measure[], kind: Kind): Flatness {
  const part = (from: number) => {
    const begin = Math.floor(measures.length * from);
    return median(
      measures.slice(begin, begin + Math.max(1, Math.floor(measures.length * PART))).map((one) => one[kind]),
    );
  };
  const before = Math.max(...EARLIER.map(part));
  const after = part(1 - PART);
  const { share, more } = GROWTH[kind];
  return { kind, before, after, isFlat: after <= before * (1 + share) + more };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
