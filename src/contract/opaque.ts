/** What an object says it is: `"URLSearchParams"`. */
export function kindOf(value: object): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** Whether what an object has is not in its fields, so that nothing of it would arrive: boxed values, blobs, weak maps, ... */
export function isOpaque(value: object): boolean {
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return true;
  if (value instanceof BigInt || value instanceof Symbol) return true;
  return Symbol.toStringTag in value && Object.keys(value).length === 0;
}
