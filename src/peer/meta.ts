import { randomBytes } from "node:crypto";
import { EarshotError } from "../errors.js";
import { encodeMeta } from "../wire/meta.js";

/** What a message is known by, and what goes along with it. */
export interface MetaOptions {
  /**
   * What the message is known by, the same when it is sent again: a server that has handled it answers with the reply that it
   * gave then. 1 to 128 bytes. Framed wire only.
   */
  readonly id?: string | undefined;
  /** Small texts that the handler finds in `context.headers`: with the id at most 8 KiB. Framed wire only. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const RANDOM_ID_BYTES = 16;

/** An id that no other message has. */
export function randomId(): string {
  return randomBytes(RANDOM_ID_BYTES).toString("base64url");
}

/** Both as they go; `undefined` for neither. @throws EarshotError `INVALID_ARGUMENT` */
export function checkMeta({ id, headers }: MetaOptions): Uint8Array | undefined {
  if (id === undefined && headers === undefined) return undefined;
  if (id !== undefined && (typeof id !== "string" || id === "")) {
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use id: ${JSON.stringify(id)}; it is a text of 1 to 128 bytes`);
  }
  if (headers !== undefined && (typeof headers !== "object" || headers === null)) {
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use headers: ${String(headers)}; it is an object of texts`);
  }
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (typeof value === "string") continue;
    const fact = `Cannot use headers: ${JSON.stringify(name)} is ${typeof value}; values are texts`;
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  const bytes = encodeMeta({ id, headers: headers ?? {} });
  if (typeof bytes !== "string") return bytes;
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use id and headers: ${bytes}`);
}
