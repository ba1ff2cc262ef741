import type { Random } from "../support/random.js";
import { preface } from "../wire/reference.js";

const HEADER_BYTES = 16;
/** Values that are more often wrong than others. */
const SPECIAL = [0, 1, 2, 3, 0x20, 0x7f, 0x80, 0xff];

/** The frames of what a client says, as far as they are whole; what is before and behind them is with the first and last. */
function cutFrames(bytes: Buffer): Buffer[] {
  if (!bytes.subarray(0, preface.length).equals(preface)) return [bytes];
  const parts: Buffer[] = [bytes.subarray(0, preface.length)];
  let at = preface.length;
  while (at + HEADER_BYTES <= bytes.length) {
    const end = at + HEADER_BYTES + bytes.readUInt32LE(at + 4);
    if (end > bytes.length) break;
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return parts;
}

/** One change or a few of something that made sense, or of what came of that before. */
export function mutate(random: Random, corpus: readonly Buffer[]): Buffer {
  let bytes = random.of(corpus);
  for (let count = 1 + random.below(4); count > 0; count--) {
    bytes = random.below(2) === 0 ? mutateBytes(random, bytes) : mutateFrames(random, bytes, corpus);
  }
  return bytes.subarray(0, 400_000);
}

function mutateBytes(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(40);
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (random.below(5)) {
    case 0:
      return Buffer.concat([before, Buffer.of(random.below(256)), behind.subarray(1)]);
    case 1:
      return Buffer.concat([before, Buffer.alloc(length, random.of(SPECIAL)), behind]);
    case 2:
      return Buffer.concat([before, behind.subarray(length)]);
    case 3:
      return Buffer.concat([before, behind.subarray(0, length), behind]);
    default:
      return before;
  }
}

function mutateFrames(random: Random, bytes: Buffer, corpus: readonly Buffer[]): Buffer {
  const frames = cutFrames(bytes);
  const at = random.below(frames.length);
  switch (random.below(6)) {
    case 0:
      frames.splice(at, 1);
      break;
    case 1:
      frames.splice(at, 0, random.of(frames));
      break;
    case 2:
      frames.splice(at, 0, random.of(cutFrames(random.of(corpus))));
      break;
    case 3:
      frames.splice(at, 1, withLength(random, frames[at] ?? bytes));
      break;
    default:
      frames.splice(at, 1, withHeader(random, frames[at] ?? bytes));
  }
  return Buffer.concat(frames);
}

/** Another type, flags, number of descriptors, length or exchange. */
function withHeader(random: Random, frame: Buffer): Buffer {
  const changed = Buffer.from(frame);
  if (changed.length >= HEADER_BYTES) changed[random.below(HEADER_BYTES)] = random.of([...SPECIAL, random.below(256)]);
  return changed;
}

/** Another payload, of which the header knows. */
function withLength(random: Random, frame: Buffer): Buffer {
  if (frame.length < HEADER_BYTES) return frame;
  const payload = frame.subarray(HEADER_BYTES, HEADER_BYTES + random.below(frame.length - HEADER_BYTES + 1));
  const more = Buffer.alloc(random.of([0, 0, 1, 16, 5_000, 70_000]), random.below(256));
  const header = Buffer.from(frame.subarray(0, HEADER_BYTES));
  header.writeUInt32LE(payload.length + more.length, 4);
  return Buffer.concat([header, payload, more]);
}
