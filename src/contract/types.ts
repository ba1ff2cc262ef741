import type { EarshotError } from "../errors.js";
import type { Retry } from "../peer/client-state.js";
import type { Peer } from "../peer/context.js";
import type { Contract } from "./contract.js";
import type { ErrorSchemas, Procedure } from "./procedure.js";
import type { InputOf, Nothing, OutputOf } from "./schema.js";

/** Of one call. */
export interface CallOptions {
  /** Give up after so many milliseconds; for a stream, all of it. Default: what `connect` was given; 0 for no limit. */
  readonly timeoutMs?: number | undefined;
  /** Give up when this aborts; the handler's signal aborts too. */
  readonly signal?: AbortSignal | undefined;
  /** Small texts that go with the call (trace context); names and values together at most 8 KiB. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * What becomes of a call without a connection, or when that is lost; default: what `connect` was given. Only calls with one
   * input and one output are made again; those with streams wait for a connection, unless it is `false`.
   */
  readonly retry?: Retry | undefined;
  /** What a call with one input and one output is known by, as for `send`. */
  readonly id?: string | undefined;
}

/**
 * The items of a stream, once. Nothing is sent before the first `next()`. `return()`, which leaving a `for await` calls,
 * stops the server's side.
 */
export interface Stream<T> extends AsyncIterableIterator<T>, AsyncDisposable {
  /** The next item. Rejects with why the stream broke off; after that, and after the end, it is done. */
  next(): Promise<IteratorResult<T, undefined>>;
  /** Wants no more. */
  return(): Promise<IteratorResult<T, undefined>>;
  /** Itself: a stream is read once. */
  [Symbol.asyncIterator](): Stream<T>;
}

/** What a caller may stream. */
export type Items<T> = AsyncIterable<T> | Iterable<T>;

type Argument<S> = S extends Nothing ? [] : undefined extends InputOf<S> ? [input?: InputOf<S>] : [input: InputOf<S>];
type ItemsArgument<S> = S extends Nothing ? [] : [items: Items<InputOf<S>>];
type Outcome<O, Y> = Y extends Nothing ? Promise<O extends Nothing ? void : OutputOf<O>> : Stream<OutputOf<Y>>;

type Calls<T> = {
  readonly [K in keyof T as K extends string ? K : never]: T[K] extends Procedure<
    infer I,
    infer A,
    infer O,
    infer Y,
    infer _E
  >
    ? (...args: [...Argument<I>, ...ItemsArgument<A>, options?: CallOptions]) => Outcome<O, Y>
    : Calls<T[K]>;
};

/** All procedures of a contract, for their caller. Whoever connected disposes of it. */
export type Api<C extends Contract> = Calls<C> & AsyncDisposable;

type ErrorMaker<S> =
  undefined extends InputOf<S> ? (data?: InputOf<S>) => EarshotError : (data: InputOf<S>) => EarshotError;

/** What a handler knows besides its input. */
export interface CallContext<E extends ErrorSchemas = ErrorSchemas> {
  /** The procedure's full name. */
  readonly procedure: string;
  /** Aborts when nobody waits for the answer any more: the caller stopped, is gone, or its time is over. */
  readonly signal: AbortSignal;
  /** Who calls. */
  readonly peer: Peer;
  /** What the caller sent along. */
  readonly headers: Readonly<Record<string, string>>;
  /** How much of the caller's time is left, in milliseconds; `undefined` if it waits for ever. */
  readonly timeLeftMs: number | undefined;
  /** The declared errors: `throw context.errors.UnknownCity({ city })`. */
  readonly errors: { readonly [N in keyof E]: ErrorMaker<E[N]> };
  /** An error that reaches the caller as `PEER_REFUSED` with this text: `throw context.refuse("only root may")`. */
  refuse(text: string): EarshotError;
}

type Received<S> = S extends Nothing ? [] : [input: OutputOf<S>];
type ReceivedItems<S> = S extends Nothing ? [] : [items: AsyncIterable<OutputOf<S>>];
type Returned<O, Y> = Y extends Nothing
  ? O extends Nothing
    ? unknown
    : InputOf<O> | Promise<InputOf<O>>
  : AsyncIterable<InputOf<Y>> | Iterable<InputOf<Y>> | Promise<AsyncIterable<InputOf<Y>> | Iterable<InputOf<Y>>>;

/** A handler for each procedure of a contract, nested as they are. */
export type Handlers<C, Added = unknown> = {
  readonly [K in keyof C as K extends string ? K : never]: C[K] extends Procedure<
    infer I,
    infer A,
    infer O,
    infer Y,
    infer E
  >
    ? (...args: [...Received<I>, ...ReceivedItems<A>, context: CallContext<E> & Added]) => Returned<O, Y>
    : Handlers<C[K], Added>;
};

/** A declared error, as it reaches the caller. */
export type DeclaredError<N, D> = EarshotError & {
  /** Always this. */
  readonly code: "PROCEDURE_FAILED";
  /** Its name in the contract. */
  readonly remoteCode: N;
  /** What its schema makes of what the handler gave. */
  readonly data: D;
};

/** The declared errors of a procedure. */
export type ErrorsOf<P> = P extends Procedure<infer _I, infer _A, infer _O, infer _Y, infer E> ? E : never;

/** Any of the declared errors of a procedure; `remoteCode` tells which. */
export type AnyErrorOf<P> = {
  [N in keyof ErrorsOf<P>]: DeclaredError<N, OutputOf<ErrorsOf<P>[N]>>;
}[keyof ErrorsOf<P>];
