// The second look at a test that failed. Latencies are measured on processors that others use, too: a few failures are
// run once more, alone, and what passes then is counted as passed and named as unsteady. Many failures are no accident
// and get none, nor do crashed Rust tests or a build that fails. Pure.

/** More than these are no accident. */
const mostTests = 5;
const mostFiles = 3;

/** The Rust tests to run again; undefined when nothing failed or it was no accident. */
export function testsToRepeat({ failed, failures }) {
  const names = failures.filter((name) => /^[\w:]+$/.test(name));
  // A crashed program, a time-out or a build is named by a sentence; one name in two programs is counted twice.
  const accident = failed > 0 && names.length === failures.length && failed === names.length && failed <= mostTests;
  return accident ? names : undefined;
}

/** The test files with a failure, from a TAP report of `node --test`; undefined when there is none or too many. */
export function filesToRepeat(tap) {
  const failed = tap.matchAll(/^not ok \d+ - .*\n {2}---\n(?: {2}.*\n)*? {2}location: '(.+):\d+:\d+'$/gm);
  const files = [...new Set([...failed].map(([, file]) => file))];
  return files.length > 0 && files.length <= mostFiles ? files : undefined;
}

/** The first run's count, corrected by the second run of what failed; `unsteady` names what passed only then. */
export function corrected(first, second, expected = 1) {
  if (second.passed + second.failed < expected) return first;
  const total = first.passed + first.failed;
  const failed = Math.min(total, second.failed);
  const unsteady = first.failures.filter((name) => !second.failures.includes(name));
  return { ...first, passed: total - failed, failed, failures: second.failures, unsteady };
}
