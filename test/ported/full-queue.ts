import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { systemCode } from "../../src/errors.js";
import { Child } from "../support/children.js";

/** A server process that stands still, and whose queue of new connections has no place left. */
export async function fullServer(t: TestContext, path: string): Promise<Child> {
  const child = await Child.start(t, "peer-server");
  await child.call("listen", { address: path, handler: "echo", options: { backlog: 1 } });
  await child.freeze();
  while (await takesPlace(t, path));
  return child;
}

async function takesPlace(t: TestContext, path: string): Promise<boolean> {
  const socket: Socket = connect(path);
  // The server may be killed before it has accepted this one.
  socket.on("error", () => {});
  t.after(() => void socket.destroy());
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    if (systemCode(error) === "EAGAIN") return false;
    throw error;
  }
}
