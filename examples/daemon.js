// A daemon that keeps notes in memory, and its command-line tool. The tool starts the daemon when there is none.
//
//   node examples/daemon.js add 'buy milk'
//   node examples/daemon.js list
//   node examples/daemon.js stop
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { dial, listen } from "earshot";

const ADDRESS = "notes";
// An upgraded tool and the old daemon find out in the handshake, and say so.
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
  const server = await listen(ADDRESS, handle, { app: APP });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
  console.log("ready");
}

async function connect() {
  try {
    return await dial(ADDRESS, { app: APP });
  } catch (error) {
    if (error.code !== "NO_SERVER") throw error;
  }
  const daemon = spawn(process.execPath, [fileURLToPath(import.meta.url), "serve"], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  // It is ready; or it has ended, because another one was faster. Either way there is one now.
  await Promise.race([once(daemon.stdout, "data"), once(daemon, "exit")]);
  daemon.stdout.destroy();
  daemon.unref();
  return await dial(ADDRESS, { app: APP });
}

const [command = "list", text] = process.argv.slice(2);
if (command === "serve") await serve();
else {
  const client = await connect();
  try {
    const reply = await client.send(JSON.stringify([command, text]), { timeoutMs: 5_000 });
    process.stdout.write(reply.text());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  } finally {
    await client.close();
  }
}
