import { type Failure, type Reason, reasonOf } from "./failure.js";
import type { Store } from "./store.js";
import type { Task } from "./tasks.js";

/** What became of an attempt, until it is on disk. */
export type Outcome =
  | { readonly is: "delivered"; readonly task: Task }
  | { readonly is: "failed"; readonly task: Task; readonly failure: Failure; readonly retryInMs: number }
  | { readonly is: "dead"; readonly task: Task; readonly reason: Reason };

/** Records them, in a transaction; returns the messages that have become ready because of them. */
export function recordAll(store: Store, outcomes: readonly Outcome[], now: number): readonly number[] {
  const ready: number[] = [];
  for (const outcome of outcomes) {
    const { sequence, before } = outcome.task;
    switch (outcome.is) {
      case "delivered":
        for (const next of store.delivered(sequence, now, before !== undefined)) ready.push(next);
        break;
      case "failed":
        store.failed(sequence, outcome.failure);
        break;
      case "dead":
        for (const next of store.bury(sequence, outcome.reason, now)) ready.push(next);
        break;
    }
  }
  return ready;
}

export function deadAfter(task: Task, failure: Failure, now: number): Outcome {
  return { is: "dead", task, reason: reasonOf(failure, now) };
}
