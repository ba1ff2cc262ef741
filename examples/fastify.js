// A Fastify app on a socket file that is private from its first instant, replaces what a crash left behind, and never
// evicts a live server. The same goes for every server of node:http, node:net and what is built on them.
//
//   npm install fastify
//   node examples/fastify.js
import { get } from "node:http";
import { bindSocketFile } from "earshot";
import fastify from "fastify";

const path = process.argv[2] ?? "./app.sock";

const app = fastify();
app.get("/hello/:name", ({ params }) => ({ hello: params.name }));

// Instead of app.listen({ path }).
await app.ready();
await bindSocketFile(app.server, path);
console.log(`listening on ${app.server.address()}`);

const response = await new Promise((resolve, reject) => {
  get({ socketPath: path, path: "/hello/world" }, resolve).on("error", reject);
});
for await (const chunk of response) console.log(`${response.statusCode} ${chunk}`);

// Removes the file.
await app.close();
