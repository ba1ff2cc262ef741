import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcSession, RpcTarget } from "capnweb";
import { EarshotTransport, serve } from "../../../examples/guests/capnweb.js";
import { closing, connect, ends, heard, LIMIT, LONG_TEXT, mortal, prints, socketPath, write } from "./support.js";

class Echo extends RpcTarget {
  echo(value: string): string {
    return value;
  }

  never(): Promise<string> {
    return new Promise(() => {});
  }
}

test("capnweb.js calls, is called back, pipelines, and is told of errors", LIMIT, async (t) => {
  const lines = ["hello world", "3", "2", "1", "lift-off", "hello Ada", "RangeError: nobody to greet"];
  await prints(t, "capnweb", lines);
});

test("megabytes of any characters come through capnweb as they were, many at a time", LIMIT, async (t) => {
  const server = closing(t, await serve(socketPath(t), () => new Echo()));
  const pair = (await connect(t, server.address)).open();
  const stub = new RpcSession<Echo>(new EarshotTransport(pair)).getRemoteMain();
  const texts = [0, 1, 2, 3].map((index) => LONG_TEXT + index);
  assert.deepEqual(await Promise.all(texts.map((text) => stub.echo(text))), texts);
});

test("disposing capnweb's main stub ends both directions, and the server's handler", LIMIT, async (t) => {
  const { ours, theirs } = await ends(t);
  const stub = new RpcSession<Echo>(new EarshotTransport(ours)).getRemoteMain();
  const calling = stub.echo("a");
  const pair = await theirs;
  new RpcSession(new EarshotTransport(pair), new Echo());
  assert.equal(await calling, "a");
  stub[Symbol.dispose]();
  await ours.closed;
  await pair.closed;
});

test("pending calls of capnweb reject when the server is killed in the middle of a message", LIMIT, async (t) => {
  const { client, die } = await mortal(t);
  const session = new RpcSession<Echo>(new EarshotTransport(client.open()));
  const stub = session.getRemoteMain();
  const calling = assert.rejects(async () => await stub.never(), { code: "CONNECTION_LOST" });
  await die("never", '["resolve",1,"half a mess');
  await calling;
  await assert.rejects(async () => await stub.echo("later"), { code: "CONNECTION_LOST" });
});

test("they reject when the other side ends in the middle of a message", LIMIT, async (t) => {
  const { ours, theirs } = await ends(t);
  const stub = new RpcSession<Echo>(new EarshotTransport(ours)).getRemoteMain();
  const calling = assert.rejects(async () => await stub.never(), /the other side has ended the session/);
  const pair = await theirs;
  await write(pair, '["resolve",1,"half a mess');
  await pair.writable.close();
  await calling;
});

test("the server's objects are let go when the client is gone", LIMIT, async (t) => {
  const { ours, theirs } = await ends(t);
  await write(ours, '["push",["import",0,["never"]');
  const pair = await theirs;
  const disposed = new Promise<void>((resolve) => {
    const target = Object.assign(new Echo(), { [Symbol.dispose]: resolve });
    new RpcSession(new EarshotTransport(pair), target);
  });
  await ours.writable.abort(new Error("gone"));
  await disposed;
  assert.equal((await pair.closed)?.code, "CANCELLED");
});

test("a line that never ends breaks the session instead of filling the memory", LIMIT, async (t) => {
  const { ours, theirs } = await ends(t);
  const transport = new EarshotTransport(ours);
  await transport.send("hello");
  const pair = await theirs;
  assert.equal(await heard(pair, "\n"), "hello\n");
  const receiving = assert.rejects(transport.receive(), /more than 33554432 characters/);
  const chunk = Buffer.alloc(1 << 20, "a");
  const writer = pair.writable.getWriter();
  for (let count = 0; count <= 32; count++) void writer.write(chunk).catch(() => {});
  await receiving;
  transport.abort(new Error("too long"));
  assert.equal((await pair.closed)?.code, "CANCELLED");
});

test("sending through capnweb's transport waits for who reads slowly", LIMIT, async (t) => {
  const { ours, theirs } = await ends(t);
  const transport = new EarshotTransport(ours);
  const text = "a".repeat(1 << 20);
  let sent = 0;
  const sending = Promise.all(Array.from({ length: 16 }, () => transport.send(text).then(() => sent++)));
  const pair = await theirs;
  assert.ok(sent < 16);
  assert.equal((await heard(pair, "\n".padStart(1 << 20, "a"))).length >= 1 << 20, true);
  assert.ok(sent < 16, `${sent} were taken though one was read`);
  const drained = pair.readable.pipeTo(new WritableStream());
  await sending;
  transport.abort(new Error("done"));
  await drained;
});
