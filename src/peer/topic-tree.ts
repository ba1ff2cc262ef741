import { ANY_REST, ANY_TOKEN, tokensOf } from "./topic.js";

/** What the patterns that begin alike have next. */
interface Node<T> {
  readonly next: Map<string, Node<T>>;
  /** Of patterns that end here. */
  readonly values: Set<T>;
}

/** Values by their patterns, found by topics: the more patterns begin alike, the fewer steps. */
export class TopicTree<T> {
  readonly #root: Node<T> = makeNode();

  /** @param pattern one that `patternObjection` has nothing against */
  add(pattern: string, value: T): void {
    let node = this.#root;
    for (const token of tokensOf(pattern)) {
      let next = node.next.get(token);
      if (next === undefined) {
        next = makeNode();
        node.next.set(token, next);
      }
      node = next;
    }
    node.values.add(value);
  }

  /** Leaves nothing behind of a pattern that nobody has any more. */
  delete(pattern: string, value: T): void {
    const path: { readonly node: Node<T>; readonly token: string }[] = [];
    let node = this.#root;
    for (const token of tokensOf(pattern)) {
      const next = node.next.get(token);
      if (next === undefined) return;
      path.push({ node, token });
      node = next;
    }
    node.values.delete(value);
    for (const { node: parent, token } of path.reverse()) {
      const child = parent.next.get(token);
      if (child === undefined || child.values.size > 0 || child.next.size > 0) return;
      parent.next.delete(token);
    }
  }

  /** All values whose pattern means the topic; none twice, unless it was added with several patterns. */
  find(topic: string): T[] {
    const found: T[] = [];
    collect(this.#root, tokensOf(topic), 0, found);
    return found;
  }
}

function makeNode<T>(): Node<T> {
  return { next: new Map(), values: new Set() };
}

/** As deep as a topic has tokens, which its length bounds. */
function collect<T>(node: Node<T>, tokens: readonly string[], depth: number, found: T[]): void {
  const token = tokens[depth];
  if (token === undefined) {
    for (const value of node.values) found.push(value);
    return;
  }
  const rest = node.next.get(ANY_REST);
  for (const value of rest?.values ?? []) found.push(value);
  for (const next of [node.next.get(token), node.next.get(ANY_TOKEN)]) {
    if (next !== undefined) collect(next, tokens, depth + 1, found);
  }
}
