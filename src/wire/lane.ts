import { violation } from "./decode.js";
import { writeHeader } from "./encode.js";
import { DESCRIPTORS_OFFSET, FrameType, HEADER_BYTES, LANE_BYTES } from "./frame.js";

/** The steps from the socket to shared memory and back, as PROTOCOL.md tells them. */
export const LaneStep = {
  /** The server has rings: with it come the descriptors of their memory and of their bell. */
  OFFER: 1,
  /** The caller does not take them. */
  REFUSE: 2,
  /** What its sender says after this, it says through its ring. */
  RING: 3,
  /** What its sender says after this, it says through the socket again. */
  SOCKET: 4,
} as const;

export type LaneStep = (typeof LaneStep)[keyof typeof LaneStep];

/** With an OFFER. */
export const LANE_DESCRIPTORS = 2;

export interface Lane {
  readonly step: LaneStep;
  /** Of each ring; 0 but with an OFFER. */
  readonly ringBytes: number;
}

/** A LANE frame. */
export function encodeLane({ step, ringBytes }: Lane): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + LANE_BYTES);
  const offset = writeHeader(frame, 0, FrameType.LANE, 0, LANE_BYTES, 0);
  if (step === LaneStep.OFFER) frame[DESCRIPTORS_OFFSET] = LANE_DESCRIPTORS;
  frame.writeUInt32LE(ringBytes, frame.writeUInt8(step, offset));
  return frame;
}

/** @throws EarshotError `PROTOCOL_VIOLATION` */
export function decodeLane(payload: Buffer): Lane {
  if (payload.length !== LANE_BYTES) throw violation("a LANE of wrong length");
  const step = payload.readUInt8(0);
  const known = Object.values(LaneStep).find((value) => value === step);
  if (known === undefined) throw violation(`a LANE of unknown step ${step}`);
  return { step: known, ringBytes: payload.readUInt32LE(1) };
}
