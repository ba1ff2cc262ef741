import { EarshotError } from "../index.js";
import { Latencies } from "./latencies.js";

export interface LoadOptions {
  /** As errors name it. */
  readonly address: string;
  /** One message and its answer, or one ping. */
  readonly exchange: () => Promise<unknown>;
  readonly inFlight: number;
  readonly durationMs: number;
  /** Between two answers; 0 for no limit. */
  readonly timeoutMs: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

export interface LoadResult {
  readonly latencies: Latencies;
  /** What was measured, without getting warm. */
  readonly seconds: number;
}

/** Of the time, what is spent to get warm; at most so long. */
const WARM_PART = 0.1;
const MAX_WARM_MS = 500;

/**
 * Keeps so many exchanges under way, and times each.
 *
 * @throws EarshotError `TIMEOUT` when nothing comes back for so long, and what `exchange` rejects with
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { exchange, inFlight, durationMs, signal } = options;
  const latencies = new Latencies();
  const beganAt = performance.now();
  const countsFrom = beganAt + Math.min(MAX_WARM_MS, durationMs * WARM_PART);
  const endsAt = countsFrom + durationMs;
  const state = { answers: 0, isOver: false };
  const lane = async () => {
    let startedAt = performance.now();
    while (startedAt < endsAt && !state.isOver) {
      await exchange();
      const endedAt = performance.now();
      state.answers++;
      if (startedAt >= countsFrom) latencies.add((endedAt - startedAt) * 1_000);
      startedAt = endedAt;
    }
  };
  const watch = watchFor(() => state.answers, options);
  const stop = () => {
    state.isOver = true;
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    // Who is told to end does not wait for the last answers.
    await Promise.race([Promise.all(Array.from({ length: inFlight }, lane)), watch.stalled, aborted(signal)]);
  } finally {
    stop();
    signal.removeEventListener("abort", stop);
    watch.end();
  }
  return { latencies, seconds: Math.max(0, performance.now() - countsFrom) / 1_000 };

  function aborted(by: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (by.aborted) resolve();
      else by.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}

/** Rejects when nothing has come back for `timeoutMs`. A limit for each message would be a part of what is measured. */
function watchFor(answers: () => number, { timeoutMs, address }: LoadOptions) {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    if (timeoutMs === 0) return;
    let last = -1;
    const look = () => {
      const now = answers();
      if (now === last) {
        reject(new EarshotError("TIMEOUT", `Cannot measure ${address}: no reply within ${timeoutMs} ms`, { address }));
      }
      last = now;
    };
    look();
    timer = setInterval(look, timeoutMs);
  });
  return { stalled, end: () => clearInterval(timer) };
}
