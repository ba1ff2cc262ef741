import type { Server } from "../index.js";
import { readLines } from "./lines.js";

/** The longest line that is published where nothing is said. */
const DEFAULT_MAX_BYTES = 67_108_864;

/** Publishes each line of standard input; resolves at its end. @throws EarshotError `INVALID_ARGUMENT` for what is no topic, ... */
export async function publishLines(
  server: Server,
  topic: string,
  stdin: AsyncIterable<Buffer>,
  maxBytes: number = DEFAULT_MAX_BYTES,
): Promise<void> {
  // Before the first line, which may be long in coming.
  server.subscriptionCount(topic);
  // Those who want to be waited for hold back who writes the lines.
  for await (const { text } of readLines(stdin, maxBytes)) await server.publish(topic, text);
}
