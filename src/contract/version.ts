import type { ContractInfo } from "../wire/hello.js";

/** major, minor, patch; `undefined` for what is no version. What follows a `-` or `+` is not compared. */
export function parseVersion(version: string): readonly [number, number, number] | undefined {
  const [, major, minor, patch] = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+].*)?$/.exec(version) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
}

interface Named {
  readonly name: string;
  readonly version: string;
}

/** The same name and major version; before 1.0.0 the minor one counts. */
function isCompatible(one: Named, other: Named): boolean {
  const [major, minor] = parseVersion(one.version) ?? [];
  const [otherMajor, otherMinor] = parseVersion(other.version) ?? [];
  if (one.name !== other.name || major === undefined || major !== otherMajor) return false;
  return major > 0 || minor === otherMinor;
}

/**
 * What is wrong with the two, naming both and what to do; `undefined` when they work together. A caller without a contract
 * is let in: it can ping, and ask what is there.
 */
export function serverObjection(own: Named, client: ContractInfo | undefined): string | undefined {
  if (client === undefined || isCompatible(own, client)) return undefined;
  return mismatch(own, client);
}

/** The same, as the caller sees it. */
export function clientObjection(own: Named, codec: string, server: ContractInfo | undefined): string | undefined {
  if (server === undefined) {
    return `the client has contract ${own.name} ${own.version}, the server none; check the address, or serve it there`;
  }
  if (!isCompatible(own, server)) return mismatch(server, own);
  if (server.codecs.includes(codec)) return undefined;
  const codecs = server.codecs.join(", ");
  return `the client of ${own.name} ${own.version} speaks codec ${codec}, the server ${codecs}; choose one of these`;
}

function mismatch(server: Named, client: Named): string {
  const both = `the server has contract ${server.name} ${server.version}, the client ${client.name} ${client.version}`;
  if (server.name !== client.name) return `${both}; check the address`;
  return `${both}, which do not work together; ${remedy(server.version, client.version)}`;
}

function remedy(server: string, client: string): string {
  const [one, other] = [parseVersion(server) ?? [0, 0, 0], parseVersion(client) ?? [0, 0, 0]];
  const index = one.findIndex((part, place) => part !== other[place]);
  const isServerOlder = (one[index] ?? 0) < (other[index] ?? 0);
  return isServerOlder ? "restart the server with the newer version" : "upgrade the client";
}
