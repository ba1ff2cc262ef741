import { EarshotError } from "../errors.js";
import type { Exchange } from "../session/session.js";
import { Answering } from "./answering.js";
import { Backlog } from "./backlog.js";
import {
  type BroadcastNumbers,
  type BroadcastOptions,
  checkBroadcast,
  readWish,
  type Wish,
} from "./broadcast-options.js";
import type { Connection } from "./connection.js";
import { Context } from "./context.js";
import type { Logger } from "./options.js";
import type { Order } from "./order.js";
import { checkBody } from "./pending.js";
import { encodeMessage, Publication, topicHead } from "./publication.js";
import { Replay } from "./replay.js";
import { Subscriber } from "./subscriber.js";
import type { Time } from "./time.js";
import { checkTopic, patternObjection } from "./topic.js";
import { TopicTree } from "./topic-tree.js";

/** So much of what is published may be on its way to a subscriber's connection: what is there cannot be dropped any more. */
const UNDER_WAY_BYTES = 32_768;
/** For so many topics it is remembered who gets their messages. */
const MAX_ROUTES = 1_024;

const DONE = Promise.resolve();

/** What is known of a topic, until anybody comes or goes. */
interface Route {
  readonly head: Buffer;
  readonly subscribers: readonly Subscriber[];
}

/** A server's topics: who gets what is published. */
export class Broadcaster {
  readonly #limits: BroadcastNumbers;
  readonly #allow: BroadcastOptions["allow"];
  readonly #maxMessageBytes: number;
  readonly #time: Time;
  readonly #logger: Logger;
  readonly #backlog: Backlog;
  readonly #replay: Replay | undefined;
  readonly #tree = new TopicTree<Subscriber>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #counts = new WeakMap<Connection, number>();
  readonly #routes = new Map<string, Route>();
  #order = 0;
  #isClosed = false;

  /** @throws EarshotError `INVALID_ARGUMENT` */
  constructor(options: BroadcastOptions | undefined, maxMessageBytes: number, logger: Logger, time: Time) {
    const { allow, ...limits } = checkBroadcast(options);
    this.#limits = limits;
    this.#allow = allow;
    this.#maxMessageBytes = maxMessageBytes;
    this.#time = time;
    this.#logger = logger;
    this.#backlog = new Backlog(limits.maxBufferedBytes);
    const { replayMessages: messages, maxReplayBytes: maxBytes } = limits;
    if (messages > 0) this.#replay = new Replay({ messages, maxBytes });
  }

  /** How many subscriptions there are, or how many get the messages of a topic. */
  count(topic?: string): number {
    return topic === undefined ? this.#subscribers.size : this.#tree.find(checkTopic(topic)).length;
  }

  /** Resolves when those who want to be waited for have taken it. @throws EarshotError `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE` */
  publish(topic: string, data: string | Uint8Array): Promise<void> {
    try {
      return this.#publish(topic, data);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #publish(topic: string, data: string | Uint8Array): Promise<void> {
    const { head, subscribers } = this.#routes.get(topic) ?? this.#route(topic);
    const body = checkBody(data, "this message");
    if (this.#isClosed || (subscribers.length === 0 && this.#replay === undefined)) return DONE;
    const dataBytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    this.#assertSize(topic, dataBytes);
    const bytes = encodeMessage(head, body, dataBytes, this.#replay !== undefined);
    const publication = new Publication(topic, ++this.#order, bytes);
    for (const subscriber of subscribers) subscriber.offer(publication);
    this.#replay?.add(publication);
    return publication.whenTaken() ?? DONE;
  }

  /** Answers a caller's `{ "do": "subscribe" }`, from now on. */
  subscribe(connection: Connection, address: string, exchange: Exchange, order: Order): void {
    const answering = new Answering(connection, address, exchange);
    exchange.context = answering;
    const { pattern } = order;
    const objection = patternObjection(pattern);
    const wish = objection ?? readWish(order, this.#limits);
    if (typeof wish === "string") answering.fail("UNSUPPORTED", `this is no subscription: ${wish}`);
    else if (this.#isClosed) answering.fail("CONNECTION_CLOSED", "the server is closing");
    else if ((this.#counts.get(connection) ?? 0) >= this.#limits.maxSubscriptions) {
      const { maxSubscriptions } = this.#limits;
      answering.fail("OVERLOADED", `this connection has ${maxSubscriptions} subscriptions already (maxSubscriptions)`);
    } else if (!this.#isAllowed(pattern as string, answering)) {
      answering.fail("PEER_REFUSED", `the server does not let this side subscribe to ${JSON.stringify(pattern)}`);
    } else this.#begin(connection, answering, pattern as string, wish);
  }

  /** Nobody waits any more for what a subscription brings. */
  giveUp({ context }: Exchange, error: EarshotError): void {
    if (context instanceof Answering) context.giveUp(error);
  }

  /** What waits still leaves; then all subscriptions end. Nothing is published any more. */
  close(): void {
    this.#isClosed = true;
    this.#replay?.clear();
    for (const subscriber of [...this.#subscribers]) subscriber.end();
  }

  #begin(connection: Connection, answering: Answering, pattern: string, wish: Wish): void {
    const parts = { backlog: this.#backlog, time: this.#time };
    const subscriber: Subscriber = new Subscriber(answering, answering.begin(UNDER_WAY_BYTES), wish, parts, (slow) => {
      const about = { peer: connection.id, pattern };
      if (slow === undefined) this.#logger.debug(about, "a subscription is over");
      else this.#logger.warn(about, `ended a subscription: ${slow}`);
      this.#tree.delete(pattern, subscriber);
      this.#subscribers.delete(subscriber);
      this.#routes.clear();
      this.#add(connection, -1);
    });
    // At once, so that the next subscription has its place.
    Context.onGone(answering.context, () => subscriber.leave());
    this.#tree.add(pattern, subscriber);
    this.#subscribers.add(subscriber);
    this.#routes.clear();
    this.#add(connection, 1);
    this.#logger.debug({ peer: connection.id, pattern }, "a subscription begins");
    subscriber.begin(this.#replay?.find(pattern, wish.replay) ?? []);
  }

  #add(connection: Connection, change: number): void {
    this.#counts.set(connection, (this.#counts.get(connection) ?? 0) + change);
  }

  #isAllowed(pattern: string, { context: { peer } }: Answering): boolean {
    try {
      return this.#allow === undefined || this.#allow(pattern, peer) === true;
    } catch {
      return false;
    }
  }

  #route(topic: string): Route {
    checkTopic(topic);
    const route = { head: topicHead(topic), subscribers: this.#tree.find(topic) };
    if (this.#routes.size >= MAX_ROUTES) this.#routes.clear();
    this.#routes.set(topic, route);
    return route;
  }

  #assertSize(topic: string, bytes: number): void {
    if (bytes <= this.#maxMessageBytes) return;
    const fact = `${bytes} bytes are over the limit of ${this.#maxMessageBytes} (maxMessageBytes)`;
    throw new EarshotError("MESSAGE_TOO_LARGE", `Cannot publish on ${JSON.stringify(topic)}: ${fact}`);
  }
}
