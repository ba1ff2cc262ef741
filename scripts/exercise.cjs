// Every function of the addon once or more, in this thread and in another: a program for valgrind, where tests are slow.
const { closeSync, mkdtempSync, openSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { isMainThread, Worker } = require("node:worker_threads");
const native = require("node-gyp-build")(join(__dirname, ".."));

const directory = mkdtempSync(join(tmpdir(), "e-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

function refuse(call) {
  try {
    call();
  } catch {
    return;
  }
  throw new Error(`not refused: ${call}`);
}

function connect(name) {
  const address = Buffer.from(join(directory, name));
  const listening = native.socket(1);
  native.bind(listening, address);
  native.listen(listening, 8);
  const near = native.socket(1);
  native.connect(near, address);
  return { listening, near, far: native.accept(listening) };
}

function exchange({ listening, near, far }) {
  const [into, overflow] = [Buffer.alloc(4), Buffer.alloc(65_536)];
  native.setSendBuffer(near, 65_536);
  native.write(near, [Buffer.from("12345678"), Buffer.alloc(100)]);
  native.read(far, into, overflow);
  native.write(near, [into], Array(253).fill(listening));
  native.read(far, into);
  refuse(() => native.read(far, into));
  for (const fd of native.takeDescriptors()) native.close(fd);
  native.write(near, [into], [listening, far]);
  native.read(far, Buffer.alloc(0));
  while (native.write(near, [overflow]) > 0);
  while (native.read(far, overflow) > 0);
}

function ask({ listening, near, far }) {
  for (const fd of [listening, near, far]) native.socketName(fd);
  native.socketOption(near, 3);
  native.peerCredentials(far);
  native.isSameUser(far);
  native.peerGroups(far);
  native.isReadable(native.peerPidfd(far));
  native.isHungUp(far);
  const file = openSync(__filename);
  native.lock(file);
  native.close(native.duplicate(file));
  const loose = native.duplicate(file);
  native.release(loose);
  native.adopt(loose);
  closeSync(file);
}

function share({ near }) {
  const memory = native.makeMemory(65_536);
  native.addSeals(memory, 2);
  native.seals(memory);
  const kept = native.map(memory, 65_536, 8_192);
  const words = new Int32Array(kept, 0, 64);
  native.lookAt(near, words, 0, 32);
  native.watch(near, 1);
  native.lookSoon(near, 0);
  native.unmap(native.map(memory, 65_536, 0));
  for (const kind of native.canBeUncounted ? [0, 1, 2] : [0]) {
    native.detach(native.view(kept, 100, kind), kind);
    // One that outlives what it is a view of, and one that is forgotten.
    const gone = native.map(memory, 65_536, 0);
    const view = native.view(gone, 100, kind);
    native.unmap(gone);
    native.detach(view, kind);
    native.view(kept, 100, kind);
    refuse(() => native.view(kept, 0, kind));
  }
  refuse(() => native.detach(Buffer.alloc(8), 0));
  native.socketPair(5);
  refuse(() => native.unmap(new ArrayBuffer(8)));
  refuse(() => native.lookAt(near, new Int32Array(8), 0, 1));
  return kept;
}

function misuse() {
  refuse(() => native.socket("1"));
  refuse(() => native.connect(native.socket(1), Buffer.alloc(200)));
  refuse(() => native.write(native.socket(1), [Buffer.alloc(1)], [4_000]));
  refuse(() => native.close(-1));
  refuse(() => native.isReadable(4_000));
}

let turns = 0;
native.onReady((fd, events) => {
  if (++turns > 20) for (const pair of pairs) native.watch(pair.near, 0);
  else if (events === 1) native.read(fd, Buffer.alloc(8));
  return turns % 3 === 0 ? 0 : turns % 3 === 1 ? -1 : 20;
}, Buffer.alloc(64));
const pairs = ["a", "b"].map(connect);
for (const pair of pairs) {
  exchange(pair);
  ask(pair);
  native.watch(pair.near, 3);
}
// One in which something is looked for and found, and one in vain.
for (const pair of ["c", "d"].map(connect)) {
  native.watch(pair.near, 1);
  native.lookSoon(pair.near, 100);
  pairs.push(pair);
}
native.write(pairs[2].far, Buffer.from("answer"));
misuse();
native.unmap(share(pairs[0]));
share(pairs[1]);
native.shutdown(pairs[0].far);
// What is left open is the addon's to close.
native.close(pairs[1].far);
if (isMainThread) for (let count = 0; count < 2; count++) new Worker(__filename);
