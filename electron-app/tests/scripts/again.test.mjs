import assert from "node:assert/strict";
import { test } from "node:test";
import { corrected, filesToRepeat, testsToRepeat } from "../../scripts/lib/again.mjs";

const report = (name, file) => `not ok 1 - ${name}
  ---
  duration_ms: 10.1
  location: '${file}:2:1'
  failureType: 'testCodeFailure'
  ...
`;

test("a few failed Rust tests are run again", () => {
  assert.deepEqual(testsToRepeat({ failed: 2, failures: ["a::b", "late_joiner"] }), ["a::b", "late_joiner"]);
});

test("a crash, a broken build, many failures and none are not", () => {
  assert.equal(testsToRepeat({ failed: 1, failures: ["tests/x.rs (deps/x-1): ended without a result"] }), undefined);
  assert.equal(testsToRepeat({ failed: 2, failures: ["one"] }), undefined);
  assert.equal(testsToRepeat({ failed: 6, failures: ["a", "b", "c", "d", "e", "f"] }), undefined);
  assert.equal(testsToRepeat({ failed: 0, failures: [] }), undefined);
});

test("the files of failed tests are found in a report, each once", () => {
  const tap = `ok 1 - fine\n${report("x > y", "/e2e/a.test.mjs")}${report("z", "/e2e/a.test.mjs")}${report("w", "/e2e/b.test.mjs")}# fail 3\n`;
  assert.deepEqual(filesToRepeat(tap), ["/e2e/a.test.mjs", "/e2e/b.test.mjs"]);
  assert.equal(filesToRepeat("ok 1 - fine\n  ---\n  location: '/e2e/a.test.mjs:2:1'\n  ...\n"), undefined);
  assert.equal(filesToRepeat(["a", "b", "c", "d"].map((name) => report(name, `/e2e/${name}.test.mjs`)).join("")), undefined);
});

test("what passes the second time is counted and named", () => {
  const first = { passed: 10, failed: 2, ignored: 1, failures: ["a", "b"], log: "x" };
  const second = { passed: 1, failed: 1, ignored: 0, failures: ["b"] };
  assert.deepEqual(corrected(first, second, 2), { passed: 11, failed: 1, ignored: 1, failures: ["b"], log: "x", unsteady: ["a"] });
});

test("what fails twice stays failed, and a second run that ran nothing changes nothing", () => {
  const first = { passed: 1, failed: 1, ignored: 0, failures: ["a"] };
  assert.equal(corrected(first, { passed: 0, failed: 1, failures: ["a"] }).failed, 1);
  assert.equal(corrected(first, { passed: 0, failed: 0, failures: [] }), first);
});
