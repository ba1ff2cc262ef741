// What the server of every contender does with a message.

const SHORT = Buffer.from("ok");
const NOTHING = Buffer.alloc(0);
const ECHO_BYTES = 1_024;
/** What a message begins with whose sender wants to know that it was handled, and nothing else: `-`. */
const ONE_WAY = 0x2d;

/**
 * A short one comes back; of a large one both ends are looked at, so that it is there.
 *
 * @param {Uint8Array} bytes
 * @returns {Uint8Array} the reply
 */
export function answer(bytes) {
  if (bytes[0] === ONE_WAY) return NOTHING;
  if (bytes.length <= ECHO_BYTES) return bytes;
  if (bytes[0] !== bytes[bytes.length - 1]) throw new Error("not what was sent");
  return SHORT;
}
