// A service that systemd starts when the first caller comes, and that tells it when it is ready. With the two unit files
// beside this one in ~/.config/systemd/user, and their ExecStart= as it is on your machine:
//
//   systemctl --user daemon-reload && systemctl --user enable --now clock.socket
//   earshot send clock now
//
// Without installing anything:
//
//   systemd-socket-activate -l /tmp/clock.sock node examples/systemd/clock.js
//   earshot send /tmp/clock.sock now
import { listen } from "earshot";

// The socket is systemd's: who calls while nothing runs waits until the service is there.
const server = await listen("systemd:", () => `${new Date().toISOString()}\n`, { logger: console });
process.on("SIGTERM", () => server.close());
