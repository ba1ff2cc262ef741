import type { Message } from "../message.js";

/** What another earshot asks of this one, as its SYSTEM message says. Nothing of it is checked but that it is an object. */
export interface Order {
  readonly do?: unknown;
  readonly [member: string]: unknown;
}

/** @returns an order of nothing for what is none */
export function readOrder(message: Message): Order {
  try {
    const order = message.json();
    return typeof order === "object" && order !== null ? (order as Order) : {};
  } catch {
    return {};
  }
}
