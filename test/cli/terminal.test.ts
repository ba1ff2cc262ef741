import { join } from "node:path";
import { test } from "node:test";
import { listen } from "../../src/index.js";
import { EARSHOT, Program } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";

test("at a terminal, send says how to end a message, and ends the reply's line", { timeout: 60_000 }, async (t) => {
  if (!requireTool(t, "python3")) return;
  const path = join(temporaryDirectory(t), "s");
  const server = await listen(path, (message) => `you typed ${message.text().trim()}`);
  t.after(() => server.close({ graceMs: 0 }));
  const script = "import pty, sys; pty.spawn(sys.argv[1:])";
  const args = ["-c", script, process.execPath, EARSHOT, "send", path];
  const terminal = new Program(t, "python3", args, { input: "open" });
  await terminal.says("stdout", "end it with Ctrl-D");
  terminal.child.stdin?.write("hello\n\x04");
  await terminal.says("stdout", "you typed hello\r\n");
});
