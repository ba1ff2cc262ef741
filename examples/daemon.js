// A daemon that keeps notes in memory, and its command-line tool. The tool starts the daemon when there is none, and replaces
// one of an older version; the daemon leaves when nobody has called for an hour.
//
//   node examples/daemon.js add 'buy milk'
//   node examples/daemon.js list
//   node examples/daemon.js stop
import { fileURLToPath } from "node:url";
import { dial, listen } from "earshot";

const ADDRESS = "notes";
// An upgraded tool and the old daemon find out in the handshake.
const APP = { name: "notes", version: "1.0.0", accepts: ["1"] };

async function serve() {
  const notes = [];
  const commands = {
    add: (text) => `note ${notes.push(text)}\n`,
    list: () => notes.map((note, index) => `${index + 1}. ${note}\n`).join(""),
    // The reply still leaves: closing waits for it.
    stop: () => void server.close(),
  };
  const handle = (message) => {
    const [name, text] = message.json();
    if (!Object.hasOwn(commands, name)) throw new Error(`there is no command ${name}`);
    return commands[name](text);
  };
  const server = await listen(ADDRESS, handle, { app: APP, idleExitMs: 3_600_000 });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
}

async function call(command, text) {
  const start = { command: process.execPath, args: [fileURLToPath(import.meta.url), "serve"], cwd: "/" };
  const client = await dial(ADDRESS, { app: APP, onMismatch: "replace", start });
  try {
    const reply = await client.send(JSON.stringify([command, text]), { timeoutMs: 5_000 });
    process.stdout.write(reply.text());
  } finally {
    await client.close();
  }
}

const [command = "list", text] = process.argv.slice(2);
try {
  await (command === "serve" ? serve() : call(command, text));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
