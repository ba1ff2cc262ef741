import { EarshotError } from "../errors.js";
import type { Descriptor } from "../message.js";
import { MAX_DESCRIPTORS } from "../wire/frame.js";

/** The table of this process's descriptors, where a transport can carry them. */
export interface DescriptorTable {
  /** A second descriptor for the same open file. Throws the system's error. */
  duplicate(fd: number): number;
  close(fd: number): void;
  /** From now on somebody else closes it. */
  release(fd: number): void;
}

/** Of replies that nobody looked at. Not to be relied on: nobody knows when, or if, it happens. */
const forgotten = new FinalizationRegistry<() => void>((close) => close());

/** A descriptor that came with a message. */
export class ReceivedDescriptor implements Descriptor {
  readonly #table: DescriptorTable;
  readonly #fd: number;
  #isOpen = true;

  constructor(table: DescriptorTable, fd: number) {
    this.#table = table;
    this.#fd = fd;
  }

  /** Closes it some day if nobody does. */
  static forReply(table: DescriptorTable, fd: number): ReceivedDescriptor {
    const descriptor = new ReceivedDescriptor(table, fd);
    forgotten.register(descriptor, () => table.close(fd), descriptor);
    return descriptor;
  }

  get fd(): number {
    if (this.#isOpen) return this.#fd;
    throw new EarshotError("INVALID_ARGUMENT", "Cannot use the descriptor: it was taken or closed; take() keeps it");
  }

  take(): number {
    const { fd } = this;
    this.#leave();
    this.#table.release(fd);
    return fd;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#leave();
    this.#table.close(this.#fd);
  }

  #leave(): void {
    this.#isOpen = false;
    forgotten.unregister(this);
  }
}

/**
 * Duplicates what the caller wants to send, so that the originals may be closed at once.
 *
 * @throws EarshotError `INVALID_ARGUMENT`, `UNSUPPORTED`
 */
export function duplicateAll(
  table: DescriptorTable | undefined,
  descriptors: readonly (number | Descriptor)[] | undefined,
): readonly number[] {
  if (descriptors === undefined || descriptors.length === 0) return [];
  if (!Array.isArray(descriptors)) throw wrong(`${String(descriptors)}; it is an array of numbers`);
  if (table === undefined) {
    throw new EarshotError("UNSUPPORTED", "Cannot send descriptors: that takes the native addon");
  }
  if (descriptors.length > MAX_DESCRIPTORS)
    throw wrong(`${descriptors.length} of them; a message takes ${MAX_DESCRIPTORS}`);
  const duplicates: number[] = [];
  try {
    for (const descriptor of descriptors) duplicates.push(duplicate(table, descriptor));
  } catch (error) {
    for (const fd of duplicates) table.close(fd);
    throw error;
  }
  return duplicates;
}

function duplicate(table: DescriptorTable, descriptor: number | Descriptor): number {
  const fd = typeof descriptor === "number" ? descriptor : descriptor?.fd;
  if (!Number.isInteger(fd) || fd < 0) throw wrong(`${String(fd)}; a descriptor is a number, or came with a message`);
  try {
    return table.duplicate(fd);
  } catch (cause) {
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use descriptor ${fd}: it is not open`, { cause });
  }
}

function wrong(fact: string): EarshotError {
  return new EarshotError("INVALID_ARGUMENT", `Cannot use descriptors: ${fact}`);
}
