// Counts tests from what `cargo test` and `node --test` print. Pure.

/**
 * Counts from `cargo test --workspace --no-fail-fast` with stdout and stderr in one stream:
 * `{ passed, failed, ignored, failures }`. A program of tests that ends without a result (it crashed, or was
 * killed) counts as one failure, and so does a build that fails, and a run without any test unless it `mayBeEmpty`.
 */
export function countLibtest(text, exitCode, { mayBeEmpty = false } = {}) {
  const count = { passed: 0, failed: 0, ignored: 0, failures: [] };
  let running; // the program of tests whose result has not been seen yet
  const lost = () => {
    if (!running) return;
    count.failed += 1;
    count.failures.push(`${running}: ended without a result`);
  };
  for (const line of text.split("\n")) {
    const heading = /^\s+Running (.+)$/.exec(line) ?? /^\s+Doc-tests (.+)$/.exec(line);
    if (heading) {
      lost();
      running = heading[1].trim();
      continue;
    }
    const result = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;/.exec(line);
    if (result) {
      count.passed += Number(result[1]);
      count.failed += Number(result[2]);
      count.ignored += Number(result[3]);
      running = undefined;
      continue;
    }
    const failed = /^test (.+) \.\.\. FAILED$/.exec(line) ?? /^---- (.+) stdout ----$/.exec(line);
    const name = failed?.[1].replace(/ - should panic$/, "");
    if (name && !count.failures.includes(name)) count.failures.push(name);
  }
  lost();
  if (exitCode !== 0 && count.failed === 0) {
    count.failed = 1;
    count.failures.push("cargo test did not succeed, most likely the build failed");
  }
  if (exitCode === 0 && count.passed + count.failed === 0 && !mayBeEmpty) {
    count.failed = 1;
    count.failures.push("cargo test ran no test");
  }
  return count;
}

/** How `node --test` marks a test that was not asked for. */
const notAskedFor = "# SKIP test name does not match pattern";

/**
 * Counts from a TAP report of `node --test`. A skipped test counts as failed: a missing rig is said, not passed over.
 * A test that is `todo` fails too. One that was not asked for (`--match`) counts as neither.
 */
export function countTap(text, exitCode) {
  const total = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  const unwanted = text.split("\n").filter((line) => /^\s*ok \d+ - /.test(line) && line.endsWith(notAskedFor)).length;
  const skipped = total("skipped") + total("todo") - unwanted;
  const count = { passed: total("pass"), failed: total("fail") + total("cancelled") + skipped, ignored: 0, failures: [] };
  for (const line of text.split("\n")) {
    const failed = /^\s*not ok \d+ - (.+)$/.exec(line);
    if (failed) count.failures.push(failed[1]);
    const passedOver = /^\s*ok \d+ - (.+ # (SKIP|TODO).*)$/i.exec(line);
    if (passedOver && !line.endsWith(notAskedFor)) count.failures.push(passedOver[1]);
  }
  if (exitCode !== 0 && count.failed === 0) {
    count.failed = 1;
    count.failures.push("the test program did not succeed");
  }
  if (exitCode === 0 && count.passed + count.failed === 0) {
    count.failed = 1;
    count.failures.push("no test ran");
  }
  return count;
}
