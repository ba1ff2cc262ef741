import { EarshotError } from "../errors.js";
import type { Credentials } from "../transport/credentials.js";

/** Decides whether somebody may talk to this side. Only `true` lets in; to throw is to refuse. */
export type Allow = (credentials: Credentials) => boolean;

/** The user that this process runs as, and root. */
export function sameUser(): Allow {
  const own = process.geteuid?.();
  return ({ uid }) => uid === own || uid === 0;
}

/** Everybody who can reach the socket: its file's mode alone decides, and an abstract name keeps nobody out. */
export function anyUser(): Allow {
  return () => true;
}

/** These users, by number, and nobody else: not even root, unless 0 is among them. */
export function users(...uids: readonly number[]): Allow {
  const allowed = new Set(checkIds("users", uids));
  return ({ uid }) => allowed.has(uid);
}

/** Who is in one of these groups, by number, with the primary or a supplementary group. */
export function groups(...gids: readonly number[]): Allow {
  const allowed = new Set(checkIds("groups", gids));
  return ({ gid, groups: others }) => allowed.has(gid) || others.some((other) => allowed.has(other));
}

function checkIds(what: string, ids: readonly number[]): readonly number[] {
  const isRight = ids.length > 0 && ids.every((id) => Number.isInteger(id) && id >= 0);
  if (isRight) return ids;
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use ${what}(${ids.join(", ")}): it takes numbers, one or more`);
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkAllow(allow: Allow | undefined): Allow | undefined {
  if (allow === undefined || typeof allow === "function") return allow;
  const fact = `Cannot use allow: ${String(allow)}; it is a function of the other side's credentials`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

/** Why somebody may not talk to this side; `undefined` if they may. Whom the kernel does not know, nobody lets in. */
export function refusalOf(
  allow: Allow,
  credentials: Credentials | undefined,
): { text: string; cause?: unknown } | undefined {
  if (credentials === undefined) return { text: "the system does not tell who it is" };
  const text = `user ${credentials.uid} is not allowed (option allow)`;
  try {
    return allow(credentials) === true ? undefined : { text };
  } catch (cause) {
    return { text, cause };
  }
}
