// How long the viewer's page holds pictures back, decided from a second's figures: nothing but numbers.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import vm from "node:vm";
import { app } from "../../scripts/lib/paths.mjs";

const window = {};
vm.runInNewContext(fs.readFileSync(path.join(app, "../rust-native/crates/live_server/src/page/steady.js"), "utf8"), { window });
const { start, second, apply } = window.STEADY;

const even = { jitter: 2, repairs: 0, pictures: 30 };
const uneven = { jitter: 40, repairs: 0, pictures: 30 };
const after = (state, ...seconds) => seconds.flat().reduce(second, state);
const times = (count, each) => Array.from({ length: count }, () => each);

test("an even line holds nothing back, and one bad second is not the line", () => {
  assert.equal(after(start(), times(100, even)).buffer, 0);
  assert.equal(after(start(), uneven, times(5, even), uneven, times(5, even)).buffer, 0);
});

test("an uneven line, or one that loses, holds back three times its jitter, and at least 60 ms", () => {
  assert.equal(after(start(), uneven, even, uneven).buffer, 120);
  assert.equal(after(start(), times(2, { jitter: 1, repairs: 3, pictures: 30 })).buffer, 60);
});

test("a screen at rest is not held back for what jitter still says of long ago, but for losses", () => {
  assert.equal(after(start(), times(60, { ...uneven, pictures: 1 })).buffer, 0);
  assert.equal(after(start(), times(2, { jitter: 1, repairs: 1, pictures: 1 })).buffer, 60);
});

test("it doubles while that is not enough, up to 400 ms", () => {
  const sizes = [];
  let state = start();
  for (let round = 0; round < 5; round += 1) {
    state = after(state, times(2, uneven));
    sizes.push(state.buffer);
  }
  assert.deepEqual(sizes, [120, 240, 400, 400, 400]);
});

test("it halves after each half minute without trouble, down to nothing", () => {
  let state = after(start(), times(2, uneven));
  assert.equal(after(state, times(29, even)).buffer, 120);
  state = after(state, times(30, even));
  assert.equal(state.buffer, 60);
  assert.equal(after(state, times(30, even)).buffer, 0);
  assert.equal(after(state, times(20, even), uneven, times(20, even)).buffer, 60, "a bad second starts the half minute again");
});

test("it tells the browser by the name it knows, the older ones in seconds", () => {
  const told = (name) => {
    const receiver = { [name]: null };
    apply(receiver, 120);
    return receiver[name];
  };
  assert.deepEqual(["jitterBufferTarget", "playoutDelayHint", "jitterBufferDelayHint"].map(told), [120, 0.12, 0.12]);
  apply({}, 120);
});
