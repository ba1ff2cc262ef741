// A server and a client. They are in one file to be one example; each may be a program of its own.
//
//   node examples/hello.js
import { dial, listen } from "earshot";

// A bare name is a socket in your runtime directory; "/run/app.sock" or "./app.sock" would be that file.
const server = await listen("hello", (message) => `you said ${message.text()}`);
console.log(`listening on ${server.address}`);

const client = await dial("hello");
const reply = await client.send("hello");
console.log(reply.text());

await client.close();
await server.close();
