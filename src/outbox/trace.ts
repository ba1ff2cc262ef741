import type { Ids } from "./ids.js";
import { readNumber, sequenceOf } from "./keys.js";
import type { Table } from "./lmdb.js";
import type { RecordHead } from "./record.js";

/** Where a pending message may have left a row, besides its record. */
interface Places {
  readonly heads: Table;
  readonly waiting: Table;
  readonly delayed: Table;
  readonly expiring: Table;
}

/** Of a `namedKey`: the length of the name, and the sequence. */
const NAME_OFFSET = 2;
const SEQUENCE_BYTES = 8;

/**
 * What a damaged record does not tell reliably: by what the tables know its message. They are looked through from end to
 * end, which takes its time, but leaves nothing behind that others would wait for.
 */
export function trace(places: Places, ids: Ids, sequence: number): RecordHead {
  const key = headName(places.heads, sequence);
  const waiting = key === undefined ? waitingRow(places.waiting, sequence) : undefined;
  return {
    id: ids.givenTo(sequence),
    key: (key ?? waiting?.key ?? "").toString(),
    dueAt: timeIn(places.delayed, sequence) ?? waiting?.dueAt ?? 0,
    expiresAt: timeIn(places.expiring, sequence) ?? 0,
  };
}

function headName(heads: Table, sequence: number): Buffer | undefined {
  for (const { key, value } of heads.getRange({ snapshot: false })) if (readNumber(value) === sequence) return key;
  return undefined;
}

function waitingRow(waiting: Table, sequence: number): { readonly key: Buffer; readonly dueAt: number } | undefined {
  for (const { key, value } of waiting.getRange({ snapshot: false })) {
    if (sequenceOf(key) === sequence)
      return { key: key.subarray(NAME_OFFSET, key.length - SEQUENCE_BYTES), dueAt: readNumber(value) };
  }
  return undefined;
}

function timeIn(table: Table, sequence: number): number | undefined {
  for (const key of table.getKeys({ snapshot: false })) if (sequenceOf(key) === sequence) return readNumber(key);
  return undefined;
}
