import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { temporaryDirectory } from "./temp.js";

/** Stands between clients and a server, and cuts each connection after so many bytes, whichever way they went. */
export class CuttingProxy {
  /** Where clients find it. */
  readonly path: string;
  /** How many connections it has cut. */
  cuts = 0;
  readonly #serverPath: string;
  readonly #budget: () => number;

  private constructor(path: string, serverPath: string, budget: () => number) {
    this.path = path;
    this.#serverPath = serverPath;
    this.#budget = budget;
  }

  /** @param budget after how many bytes the next connection is cut; `Infinity`: never */
  static async start(t: Pick<TestContext, "after">, address: string, budget: () => number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(join(temporaryDirectory(t), "p"), address.replace(/^unix:/, ""), budget);
    const server = createServer({ allowHalfOpen: true }, (near) => proxy.#join(near));
    t.after(() => void server.close());
    server.listen(proxy.path);
    await once(server, "listening");
    return proxy;
  }

  #join(near: Socket): void {
    const far = connect({ path: this.#serverPath, allowHalfOpen: true });
    let left = this.#budget();
    const pass = (from: Socket, to: Socket) => {
      from.on("data", (bytes: Buffer) => {
        to.write(bytes.subarray(0, left));
        left -= bytes.length;
        if (left >= 0) return;
        this.cuts++;
        near.destroySoon();
        far.destroySoon();
      });
      from.on("end", () => to.end());
      from.on("close", () => to.destroySoon());
      from.on("error", () => {});
    };
    pass(near, far);
    pass(far, near);
  }
}
