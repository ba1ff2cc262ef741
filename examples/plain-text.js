// Text to a program that knows nothing of earshot: on the plain wire a message is all bytes of a connection, until its
// end. First start one of these, then this program in another terminal:
//
//   shell:   socat -u UNIX-LISTEN:/tmp/text.sock -
//   shell:   nc -lNU /tmp/text.sock < /dev/null
//   python:  import socket; s = socket.socket(socket.AF_UNIX); s.bind("/tmp/text.sock"); s.listen()
//   python:  c, _ = s.accept(); print(c.makefile().read()); c.sendall(b"thanks"); c.close()
//
//   node examples/plain-text.js /tmp/text.sock 'hello'
//
// The other way round they need nothing either: a server made with `listen` takes both wires, and answers
//
//   shell:   echo hello | nc -NU /tmp/text.sock
import { dial } from "earshot";

const [path = "/tmp/text.sock", text = "hello"] = process.argv.slice(2);
const client = await dial(path, { wire: "plain" });
try {
  // Resolves when the other program has closed the connection: that is all the acknowledgement that this wire has.
  const reply = await client.send(text, { timeoutMs: 10_000 });
  console.log(reply.byteLength === 0 ? "sent" : `sent, and the answer is: ${reply.text()}`);
} finally {
  await client.close();
}
