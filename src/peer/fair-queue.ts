import { BySize } from "./by-size.js";
import { Queue } from "./queue.js";

/** So many places of what does not wait any more are not worth to be looked for. */
const MAX_DEAD = 64;

/** Something that waits, until its turn comes or it is taken out. */
export class Place<T> {
  readonly item: T;
  /** @internal */
  readonly line: Line<T>;
  /** It waits no more. */
  isGone = false;

  /** @internal */
  constructor(item: T, line: Line<T>) {
    this.item = item;
    this.line = line;
  }
}

/** What one connection has waiting. */
class Line<T> {
  readonly user: User<T>;
  readonly key: object;
  readonly places = new Queue<Place<T>>();
  size = 0;
  isInTurn = false;

  constructor(user: User<T>, key: object) {
    this.user = user;
    this.key = key;
  }
}

/** What one user has waiting, on any number of connections. */
class User<T> {
  readonly key: unknown;
  readonly lines = new Map<object, Line<T>>();
  readonly turns = new Queue<Line<T>>();
  readonly bySize = new BySize<Line<T>>();
  size = 0;
  isInTurn = false;

  constructor(key: unknown) {
    this.key = key;
  }
}

/**
 * What waits to be handled: users take turns, and so do the connections of each, so that nobody waits for all that somebody
 * else has asked for before.
 */
export class FairQueue<T> {
  readonly #users = new Map<unknown, User<T>>();
  readonly #turns = new Queue<User<T>>();
  readonly #bySize = new BySize<User<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Puts one in the line of a connection. */
  push(userKey: unknown, connection: object, item: T): Place<T> {
    const line = this.#lineOf(userKey, connection);
    const { user } = line;
    const place = new Place(item, line);
    line.places.push(place);
    this.#resize(line, 1);
    if (!line.isInTurn) user.turns.push(line);
    line.isInTurn = true;
    if (!user.isInTurn) this.#turns.push(user);
    user.isInTurn = true;
    return place;
  }

  /** The next, taken out. */
  shift(): Place<T> | undefined {
    const user = nextOf(this.#turns, (gone) => this.#users.delete(gone.key));
    const line = user === undefined ? undefined : nextOf(user.turns, (gone) => user.lines.delete(gone.key));
    if (line === undefined) return undefined;
    for (let place = line.places.shift(); place !== undefined; place = line.places.shift()) {
      if (place.isGone) continue;
      this.#leave(place);
      return place;
    }
    return undefined;
  }

  /**
   * Takes out the newest of the longest line of the user who has most waiting: whose it is would have come last.
   *
   * @returns `undefined` if that would be the line of whoever asks
   */
  popLongest(userKey: unknown, connection: object): Place<T> | undefined {
    const own = this.#users.get(userKey);
    const largest = this.#bySize.largest;
    const user = own !== undefined && own.size === largest?.size ? own : largest;
    const longest = user?.bySize.largest;
    if (longest === undefined || (user === own && longest.size === own?.lines.get(connection)?.size)) return undefined;
    for (let place = longest.places.pop(); place !== undefined; place = longest.places.pop()) {
      if (place.isGone) continue;
      this.#leave(place);
      return place;
    }
    return undefined;
  }

  /** Takes out one that waits. */
  drop(place: Place<T>): void {
    if (place.isGone) return;
    this.#leave(place);
    const { places, size } = place.line;
    if (places.size > 2 * size + MAX_DEAD) places.keep(({ isGone }) => !isGone);
  }

  #leave(place: Place<T>): void {
    place.isGone = true;
    this.#resize(place.line, -1);
    if (this.#size > 0) return;
    this.#users.clear();
    this.#turns.keep(() => false);
  }

  #resize(line: Line<T>, change: 1 | -1): void {
    const { user } = line;
    user.bySize.resize(line, line.size, line.size + change);
    this.#bySize.resize(user, user.size, user.size + change);
    line.size += change;
    user.size += change;
    this.#size += change;
  }

  #lineOf(userKey: unknown, connection: object): Line<T> {
    let user = this.#users.get(userKey);
    if (user === undefined) {
      user = new User(userKey);
      this.#users.set(userKey, user);
    }
    let line = user.lines.get(connection);
    if (line === undefined) {
      line = new Line(user, connection);
      user.lines.set(connection, line);
    }
    return line;
  }
}

/** Whose turn it is; who has more keeps a place behind the others, and who has nothing is gone. */
function nextOf<M extends { size: number }>(turns: Queue<M>, onGone: (member: M) => void): M | undefined {
  for (let member = turns.shift(); member !== undefined; member = turns.shift()) {
    if (member.size > 1) {
      turns.push(member);
      return member;
    }
    // Without its last it is empty; the next that it has begins anew.
    onGone(member);
    if (member.size === 1) return member;
  }
  return undefined;
}
