import assert from "node:assert/strict";
import { test } from "node:test";
import { countLibtest, countTap } from "../../scripts/lib/libtest.mjs";

const two = `
     Running unittests src/lib.rs (target/debug/deps/media-1)
running 2 tests
test a ... ok
test b ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests media
test result: ok. 1 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.00s
`;

test("the results of all programs of tests are added up", () => {
  assert.deepEqual(countLibtest(two, 0), { passed: 3, failed: 0, ignored: 3, failures: [] });
});

test("a failed test is counted once and named once", () => {
  const text = `
     Running tests/x.rs (target/debug/deps/x-1)
test late_joiner ... FAILED

failures:

---- late_joiner stdout ----
thread panicked

test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
error: 1 target failed:`;
  assert.deepEqual(countLibtest(text, 101), { passed: 4, failed: 1, ignored: 0, failures: ["late_joiner"] });
});

test("a program of tests that crashes counts as one failure", () => {
  const text = `     Running tests/crash.rs (deps/crash-1)
running 3 tests
error: test failed, to rerun pass ...
  process didn't exit successfully: (signal: 11, SIGSEGV)
${two}`;
  const count = countLibtest(text, 101);
  assert.equal(count.failed, 1);
  assert.equal(count.passed, 3);
  assert.match(count.failures[0], /crash-1.*without a result/);
});

test("the last program of tests crashing is noticed too", () => {
  assert.equal(countLibtest(`${two}\n     Running tests/crash.rs (x)\n`, 101).failed, 1);
});

test("a build that fails counts as one failure", () => {
  const count = countLibtest("error[E0432]: unresolved import\nerror: could not compile `x`", 101);
  assert.equal(count.failed, 1);
});

test("a run without any test is a failure, unless it may be empty; a build that fails always is", () => {
  assert.equal(countLibtest("    Finished `test` profile", 0).failed, 1);
  assert.equal(countLibtest("    Finished `test` profile", 0, { mayBeEmpty: true }).failed, 0);
  assert.equal(countLibtest("error: could not compile `x`", 101, { mayBeEmpty: true }).failed, 1);
});

test("a TAP report is counted", () => {
  const count = countTap("not ok 2 - b\n# tests 3\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 0\n# todo 0\n", 1);
  assert.deepEqual(count, { passed: 2, failed: 1, ignored: 0, failures: ["b"] });
});

test("a skipped test counts as failed", () => {
  const count = countTap("ok 1 - needs a camera # SKIP no camera\n# tests 1\n# pass 0\n# fail 0\n# cancelled 0\n# skipped 1\n# todo 0\n", 0);
  assert.equal(count.failed, 1);
  assert.match(count.failures[0], /no camera/);
});

test("an empty TAP report is a failure", () => {
  assert.equal(countTap("", 0).failed, 1);
  assert.equal(countTap("", 1).failed, 1);
});

test("a test that was not asked for is neither passed nor failed", () => {
  const text = "ok 1 - asked\nok 2 - other # SKIP test name does not match pattern\n# pass 1\n# fail 0\n# skipped 1\n";
  assert.deepEqual(countTap(text, 0), { passed: 1, failed: 0, ignored: 0, failures: [] });
});
