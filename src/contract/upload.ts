import type { Inflow } from "../peer/flow.js";
import type { Caller } from "./caller.js";
import type { Plan } from "./plan.js";
import { readReply } from "./reply.js";
import { Sending } from "./sending.js";
import type { CallOptions } from "./types.js";

/** A call whose items are the caller's, and whose reply is one. */
export async function upload(
  caller: Caller,
  plan: Plan,
  input: unknown,
  items: unknown,
  options: CallOptions | undefined,
): Promise<unknown> {
  const head = caller.encode(plan, input, options);
  const pending = caller.client.sender.exchange(plan.origin, undefined, caller.limits(options));
  pending.writer?.write(head);
  let sending: Sending | undefined;
  try {
    sending = new Sending(caller, plan, items, pending);
    const reply = await collect(pending.reader);
    return await readReply(plan, caller.codec, reply, 0, reply.length);
  } catch (error) {
    if (sending === undefined) pending.breakOff("the caller has nothing to stream");
    throw sending?.error ?? error;
  } finally {
    sending?.stop();
  }
}

/** All of it. The server sends no more than what this side takes. */
async function collect(inflow: Inflow): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (;;) {
    const piece = inflow.read();
    if (piece !== undefined) pieces.push(piece);
    else if (inflow.isEnded) return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    else await inflow.readable();
  }
}
