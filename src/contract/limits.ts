/**
 * What a value may be, in either direction and with either codec. Each bound is there so that a few bytes of somebody
 * else's cannot take much memory, time or stack here; PROTOCOL.md, "Contracts", lists them.
 */

/** How many values may be inside each other: arrays, objects, Maps, Sets and Errors. */
export const MAX_DEPTH = 128;

/** How many values one message or item may have, keys not counted: an empty object takes 1 byte there and 56 here. */
export const MAX_VALUES = 4_194_304;

/** The longest BigInt, in bytes. */
export const MAX_BIGINT_BYTES = 65_536;

/** All headers of a call together, names and values, in bytes of UTF-8. */
export const MAX_HEADER_BYTES = 8_192;

/** A procedure's full name (`admin.users.list`), in bytes. */
export const MAX_NAME_BYTES = 255;

/** Keys that mean something to JavaScript itself: an object that has one is refused, in both directions. */
export function isReservedKey(key: string): boolean {
  return key === "__proto__" || key === "constructor" || key === "prototype";
}

/** What a contract dials with: no reply of its has open files, so that none can come that nobody closes. */
export const NO_DESCRIPTORS = { maxDescriptors: 0 } as const;
