import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { NotifySocket, requireNative } from "../support/manager.js";
import { EARSHOT, Program, ROOT, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";

const LIMIT = { timeout: 60_000 };
const EXAMPLE = `${ROOT}examples/systemd`;

test(
  "the clock is started by its first caller, as its comment says, and tells systemd how it fares",
  LIMIT,
  async (t) => {
    if (!requireTool(t, "systemd-socket-activate")) return;
    const native = requireNative(t);
    if (native === undefined) return;
    const path = join(temporaryDirectory(t), "s");
    const text = readFileSync(`${EXAMPLE}/clock.js`, "utf8");
    const lines = [...text.matchAll(/^\/\/ {3}(systemd-socket-activate|earshot) (.*\/tmp\/clock\.sock.*)$/gm)];
    const [service, caller] = lines.map(([, , words = ""]) => words.replace("/tmp/clock.sock", path).split(" "));
    assert.ok(service !== undefined && caller !== undefined);

    const manager = new NotifySocket(t, native);
    const environment = ["-E", `NOTIFY_SOCKET=${manager.name}`, "-E", `PATH=${process.env.PATH}`];
    const tool = new Program(t, "systemd-socket-activate", [...environment, ...service], { cwd: ROOT });
    await tool.says("stderr", "Listening on");
    const { code, stdout, stderr } = await run(t, caller);
    assert.match(stdout.toString(), /^\d{4}-\d\d-\d\dT\S+Z\n$/, stderr);
    assert.equal(code, 0);
    await manager.expect("READY=1");
    tool.signal("SIGTERM");
    assert.equal((await tool.ended).code, 0);
    await manager.expect("READY=1", "STOPPING=1");
  },
);

test(
  "systemd understands the unit files, and the socket is where the bare name of the comment is",
  LIMIT,
  async (t) => {
    if (!requireTool(t, "systemd-analyze")) return;
    const directory = temporaryDirectory(t);
    const runtime = join(directory, "run");
    mkdirSync(runtime, { mode: 0o700 });
    for (const name of readdirSync(EXAMPLE)) {
      const text = readFileSync(join(EXAMPLE, name), "utf8");
      writeFileSync(join(directory, name), text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    }
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
    for (const unit of ["clock.socket", "clock.service"]) {
      const args = ["verify", "--user", "--man=no", join(directory, unit)];
      const { code, stderr } = await new Program(t, "systemd-analyze", args, { env }).ended;
      assert.equal(stderr, "");
      assert.equal(code, 0);
    }
    const [, listenStream = ""] =
      /^ListenStream=(.*)$/m.exec(readFileSync(join(EXAMPLE, "clock.socket"), "utf8")) ?? [];
    const path = listenStream.replace("%t", runtime);
    const server = new Program(t, process.execPath, [EARSHOT, "listen", path], { env });
    await server.says("stderr", `listening on unix:${path}\n`);
    assert.equal((await run(t, ["send", "clock", "now"], { env })).code, 0);
  },
);
