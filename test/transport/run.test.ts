/** What looks for more among the microtasks of a turn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { READABLE } from "../../src/native/binding.js";
import { Bell } from "../../src/transport/bell.js";
import { RingLook } from "../../src/transport/ring-look.js";
import { Run } from "../../src/transport/run.js";
import { SpinBudget } from "../../src/transport/spin.js";

/** Something to look at; what is thrown at it in the end, and in which order things happen. */
class Place {
  news = 0;
  readonly log: string[] = [];
  looks = 0;
  onTake: () => boolean = () => true;
  readonly run = new Run(this);

  get hasNews(): boolean {
    this.looks++;
    return this.news > 0;
  }

  take(): boolean {
    this.news--;
    this.log.push("take");
    return this.onTake();
  }

  endTurn(): void {
    if (this.log.at(-1) !== "end") this.log.push("end");
  }

  fail(error: unknown): void {
    this.log.push(String(error));
  }
}

/** When no microtask is left. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("what comes while microtasks go on is taken among them, and other microtasks have their turn", async () => {
  const place = new Place();
  place.news = 1;
  place.onTake = () => {
    const nth = place.log.filter((line) => line === "take").length;
    void Promise.resolve().then(() => {
      place.log.push(`answer ${nth}`);
      if (nth < 3) place.news++;
    });
    return true;
  };
  place.run.begin();
  assert.notEqual(place.run.since, undefined);
  await turn();
  assert.equal(place.run.since, undefined);
  const steps = place.log.filter((line) => line !== "end");
  assert.deepEqual(steps, ["take", "answer 1", "take", "answer 2", "take", "answer 3"]);
  assert.equal(place.log.at(-1), "end");
  assert.equal(place.log.indexOf("end") < place.log.indexOf("take"), true);
});

test("it ends soon when nothing comes, and begins anew when it is asked to", async () => {
  const place = new Place();
  for (let time = 0; time < 2; time++) {
    place.looks = 0;
    place.run.begin();
    place.run.begin();
    await turn();
    assert.equal(place.run.since, undefined);
    assert.ok(place.looks > 100 && place.looks < 10_000, `${place.looks} looks`);
  }
});

test("however much comes, timers and Node's own queue have their turn", async () => {
  const place = new Place();
  place.news = Infinity;
  place.run.begin();
  await turn();
  assert.equal(place.run.since, undefined);
  assert.ok(place.log.length > 10);
});

test("it ends with what it takes, and with what is thrown, which is no rejection", async () => {
  for (const isThrown of [false, true]) {
    const place = new Place();
    place.news = 5;
    place.onTake = () => {
      if (isThrown) throw new Error("broken");
      return false;
    };
    place.run.begin();
    await turn();
    assert.deepEqual([place.run.since, place.news], [undefined, 4]);
    assert.deepEqual(place.log, isThrown ? ["end", "take", "end", "Error: broken"] : ["end", "take", "end"]);
  }
});

test("a thread that has one processor gives it away at once", () => {
  for (const isAlone of [false, true]) {
    const bell = new Bell({ read: () => 1, write: () => 1, takeDescriptors: () => [], close() {} }, 0);
    const look = new RingLook({ spinBudget: new SpinBudget(), isAlone }, 50, bell, new Place());
    assert.equal(look.next(READABLE, 0), 50, "C looks");
    assert.equal(look.microtasksSince !== undefined, !isAlone);
  }
});
