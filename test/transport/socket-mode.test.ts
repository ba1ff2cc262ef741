import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { compileFixture, leaveStaleSocket } from "../support/starter.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";

const run = promisify(execFile);

for (const place of ["main", "worker"]) {
  test(`a socket file has exactly its mode, whatever the umask, in a ${place} thread`, async (t) => {
    const program = await compileFixture(t, "bind-once");
    const directory = temporaryDirectory(t);
    for (const umask of ["000", "022", "077"]) {
      for (const mode of ["", "660", "666"]) {
        const path = join(directory, "a.sock");
        const { stdout } = await run(process.execPath, [program, path, mode, umask, place]);
        assert.equal(stdout.trim(), mode === "" ? "600" : mode, `umask ${umask}`);
        assert.deepEqual(readdirSync(directory), []);
      }
    }
  });
}

const CALLS =
  "mkdir,mkdirat,bind,listen,chmod,fchmod,fchmodat,link,linkat,rename,renameat,renameat2,unlink,unlinkat,rmdir";

for (const state of ["free", "stale"]) {
  test(`a socket gets its public name last: listening, with its mode, where the path is ${state}`, async (t) => {
    if (process.platform !== "linux" || !requireTool(t, "strace")) return;
    const program = await compileFixture(t, "bind-once");
    const [directory, logs] = [temporaryDirectory(t), temporaryDirectory(t)];
    const [path, log] = [join(directory, "a.sock"), join(logs, "trace")];
    if (state === "stale") await leaveStaleSocket(path);
    await run("strace", [
      "-f",
      "-s",
      "200",
      "-o",
      log,
      "-e",
      `trace=${CALLS}`,
      process.execPath,
      program,
      path,
      "660",
      "000",
    ]);
    // Every line: pid, call, result. Failed calls change nothing.
    const lines = readFileSync(log, "utf8").split("\n");
    const done = lines.filter((line) => / = 0$/.test(line));
    const find = (pattern: RegExp) => {
      const index = done.findIndex((line) => pattern.test(line));
      assert.notEqual(index, -1, `${pattern} in\n${done.join("\n")}`);
      return index;
    };
    const escaped = path.replaceAll(".", "\\.");
    const temporary = `${escaped.replace(/a\\\.sock$/, "\\.a\\.sock")}\\.new-\\w{6}`;
    const order = [
      find(new RegExp(`mkdir(at)?\\(.*"${temporary}", 0700\\)`)),
      find(new RegExp(`bind\\(.*"${temporary}/s"`)),
      find(/listen\(/),
      find(new RegExp(`chmod(at)?\\(.*"${temporary}/s", 0660`)),
      find(new RegExp(`(link|rename)(at2?)?\\(.*"${escaped}"`)),
    ];
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      done.join("\n"),
    );
    const touched = lines.filter((line) => /(bind|chmod|fchmodat)\(/.test(line) && line.includes(`"${path}"`));
    assert.deepEqual(touched, []);
    const removals = done
      .slice(0, order.at(-1))
      .filter((line) => /unlink(at)?\(/.test(line) && line.includes(`"${path}"`));
    assert.deepEqual(removals, []);
  });
}
