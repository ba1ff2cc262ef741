import { failure } from "./errors.js";

/** Where a server is. `text` is the canonical form, as errors and log lines show it. */
export type Address =
  | { readonly kind: "path"; readonly path: string; readonly text: string }
  | { readonly kind: "abstract"; readonly name: string; readonly text: string }
  /** A bare name: a socket in the user's runtime directory, which the transport knows. */
  | { readonly kind: "name"; readonly name: string; readonly text: string }
  /** For `listen` only: a socket that the service manager has opened, by its name where there are several. */
  | { readonly kind: "activation"; readonly name: string | undefined; readonly text: string };

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
/** What FileDescriptorName= may be, systemd.socket(5). */
const ACTIVATION = /^(?:systemd|activation):([ -9;-~]{0,255})$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;

/**
 * Reads an address: `/run/app.sock`, `./app.sock`, `unix:/run/app.sock`, `unix:@name` (Linux abstract), or a bare
 * name such as `chat` (letters, digits, `-`, `_`) for a socket in the user's runtime directory. A server can also have
 * `systemd:` or `systemd:NAME` (or `activation:`), a socket that the service manager has opened for it.
 *
 * @throws EarshotError `INVALID_ADDRESS`
 */
export function parseAddress(text: string): Address {
  if (typeof text !== "string") {
    throw failure("INVALID_ADDRESS", "parse", String(text), `an address is a string, this is ${typeof text}`);
  }
  if (text.includes("\0")) {
    throw failure("INVALID_ADDRESS", "parse", text, "an address has no NUL characters; write unix:@name for abstract");
  }
  const isUnix = text.startsWith("unix:");
  const rest = isUnix ? text.slice("unix:".length).replace(/^\/\/(?=\/)/, "") : text;
  if (rest === "") {
    throw failure("INVALID_ADDRESS", "parse", text, "it is empty; write a path such as /run/app.sock, or a name");
  }
  const [, passed] = ACTIVATION.exec(text) ?? [];
  if (passed !== undefined) return { kind: "activation", name: passed === "" ? undefined : passed, text };
  if (!isUnix && SCHEME.test(text)) {
    throw failure("INVALID_ADDRESS", "parse", text, "only unix: addresses are known; write ./ before a file's name");
  }
  if (rest.startsWith("@")) {
    if (!isUnix) {
      const hint = `write unix:${rest} for an abstract name, ./${rest} for a file`;
      throw failure("INVALID_ADDRESS", "parse", text, hint);
    }
    if (rest === "@") throw failure("INVALID_ADDRESS", "parse", text, "the abstract name is empty");
    return { kind: "abstract", name: rest.slice(1), text: `unix:${rest}` };
  }
  if (!isUnix && NAME.test(rest)) return { kind: "name", name: rest, text: rest };
  if (rest.endsWith("/")) {
    throw failure("INVALID_ADDRESS", "parse", text, "it names a directory; add the socket's file name");
  }
  return { kind: "path", path: rest, text: `unix:${rest}` };
}
