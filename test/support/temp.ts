import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A new empty directory, as short as can be, removed with all its contents after the test. */
export function temporaryDirectory(t: Pick<TestContext, "after">): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), "e-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A server that does not listen yet, closed after the test also if it failed. */
export function temporaryServer(t: Pick<TestContext, "after">): Server {
  const server = createServer((socket) => socket.on("error", () => {}).end());
  t.after(() => void server.close());
  return server;
}
