import { join, resolve } from "node:path";
import type { Address } from "../address.js";
import { failure, type Operation } from "../errors.js";
import { runtimeDirectory } from "./directory.js";

/** What a socket can be bound or connected to. `text` is `unix:/absolute/path` or `unix:@name`. */
export type SocketTarget =
  | { readonly kind: "path"; readonly path: string; readonly text: string }
  | { readonly kind: "abstract"; readonly name: string; readonly text: string };

/** What a server can be at: besides, a socket that the service manager has opened. */
export type ListenTarget = SocketTarget | (Address & { readonly kind: "activation" });

/** What of `process` decides; tests give another. */
export type Host = Pick<NodeJS.Process, "platform">;

const ABSTRACT_LIMIT_BYTES = 107;

/** How long a socket's path may be, in bytes: `sun_path` without the NUL that ends it. */
export function pathLimitBytes(platform: NodeJS.Platform = process.platform): number {
  return platform === "linux" ? 107 : 103;
}

/**
 * Finds the socket that an address means, and makes sure that the kernel can take it: Node 20 cuts a path that is too
 * long without a word. The bare name `chat` is `chat.sock` in `runtimeDirectory`.
 *
 * @throws EarshotError `ADDRESS_TOO_LONG`, `UNSUPPORTED`, `UNSAFE_DIRECTORY`, `INVALID_ADDRESS`
 */
export function resolveSocket(
  address: Address,
  op: Operation,
  env: NodeJS.ProcessEnv = process.env,
  host: Host = process,
): SocketTarget {
  if (address.kind === "activation") {
    const fact =
      "only a server takes a socket from the service manager; here, write the path that its ListenStream= names";
    throw failure("INVALID_ADDRESS", op, address.text, fact);
  }
  if (address.kind === "abstract") return resolveAbstract(address.name, address.text, op, host);
  return resolvePath(pathOf(address, op, env), op, host);
}

/** The absolute path that an address means, whether or not a socket can have it. @throws EarshotError `UNSAFE_DIRECTORY` */
export function pathOf(
  address: Address & { readonly kind: "path" | "name" },
  op: Operation,
  env: NodeJS.ProcessEnv = process.env,
): string {
  if (address.kind === "path") return resolve(address.path);
  return join(runtimeDirectory(env, op, address.text), `${address.name}.sock`);
}

/** The same for a server. */
export function resolveListenTarget(address: Address): ListenTarget {
  return address.kind === "activation" ? address : resolveSocket(address, "listen");
}

/** The same for what is known to be a path. */
export function resolvePath(path: string, op: Operation, host: Host = process): SocketTarget & { kind: "path" } {
  const absolute = resolve(path);
  const text = `unix:${absolute}`;
  const limit = pathLimitBytes(host.platform);
  const excess = Buffer.byteLength(absolute) - limit;
  if (excess > 0) throw tooLong("the path", excess, limit, op, text);
  return { kind: "path", path: absolute, text };
}

function resolveAbstract(name: string, text: string, op: Operation, host: Host): SocketTarget {
  if (host.platform !== "linux") {
    throw failure("UNSUPPORTED", op, text, "only Linux has abstract names; use a path");
  }
  const excess = Buffer.byteLength(name) - ABSTRACT_LIMIT_BYTES;
  if (excess > 0) throw tooLong("the name", excess, ABSTRACT_LIMIT_BYTES, op, text);
  return { kind: "abstract", name, text };
}

function tooLong(what: string, excess: number, limit: number, op: Operation, text: string) {
  const bytes = excess === 1 ? "1 byte" : `${excess} bytes`;
  return failure("ADDRESS_TOO_LONG", op, text, `${what} is ${bytes} too long; a socket's may have ${limit} bytes`);
}
