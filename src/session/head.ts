import type { Head } from "../wire/encode.js";
import { FIRST_WINDOW_BYTES, FrameType, MAX_DEADLINE_MS } from "../wire/frame.js";
import type { OutputOwner } from "./output-owner.js";
import type { Outgoing } from "./session.js";

/** What the first frame of an item says of it. @param sizeBytes -1 where that goes without saying, or is not known */
export function headOf<T extends Outgoing>(
  owner: Pick<OutputOwner<T>, "type" | "now">,
  item: T,
  exchange: number,
  isEnd: boolean,
  sizeBytes: number,
): Head {
  const isOpen = owner.type === FrameType.OPEN;
  return {
    type: owner.type,
    exchange,
    isEnd,
    deadlineMs: isOpen && item.deadlineAt !== Infinity ? leftOf(item, owner.now()) : -1,
    sizeBytes,
    descriptors: item.descriptors.length,
    isSystem: isOpen && item.isSystem,
    windowBytes: isOpen && item.isStreamed ? FIRST_WINDOW_BYTES : -1,
    metaBytes: item.metaBytes?.length ?? 0,
  };
}

/** How many milliseconds an item has left; -1 for more than there is a number for. */
function leftOf({ deadlineAt }: Outgoing, now: number): number {
  const left = Math.max(0, Math.ceil(deadlineAt - now));
  return left > MAX_DEADLINE_MS ? -1 : left;
}
