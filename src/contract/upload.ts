import { EarshotError } from "../errors.js";
import type { Inflow } from "../peer/flow.js";
import { Pieces } from "../peer/pieces.js";
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
    const reply = await collect(pending.reader, caller.maxMessageBytes);
    return await readReply(plan, caller.codec, reply, 0, reply.length);
  } catch (error) {
    pending.breakOff(
      sending === undefined ? "the caller has nothing to stream" : "the caller reads no more of the reply",
    );
    throw sending?.error ?? error;
  } finally {
    sending?.stop();
  }
}

/** All of it. A reply that is a stream nobody has measured before. @throws EarshotError `MESSAGE_TOO_LARGE` */
async function collect(inflow: Inflow, maxBytes: number): Promise<Buffer> {
  const pieces = new Pieces();
  for (;;) {
    const piece = inflow.read();
    if (piece !== undefined) pieces.add(piece);
    else if (inflow.isEnded) return pieces.join();
    else await inflow.readable();
    if (pieces.length <= maxBytes) continue;
    const fact = `Cannot read the reply: it has more than ${maxBytes} bytes (maxMessageBytes)`;
    throw new EarshotError("MESSAGE_TOO_LARGE", fact, { op: "call" });
  }
}
