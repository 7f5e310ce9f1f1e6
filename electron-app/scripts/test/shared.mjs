// What the parts of the test run have in common: a check by a program's exit code, and one by `node --test`.

import fs from "node:fs";
import path from "node:path";
import { app, logs } from "../lib/paths.mjs";
import { corrected, filesToRepeat } from "../lib/again.mjs";
import { countTap } from "../lib/libtest.mjs";
import { failure, run, tail } from "../lib/run.mjs";
import { say } from "../lib/steps.mjs";

export const testLogs = path.join(logs, "tests");

/** One check that passes when the command ends with 0. */
export function exitCodeCheck(name, command, args, options = {}) {
  return {
    name,
    async run() {
      const log = path.join(testLogs, `${slug(name)}.log`);
      const result = await run(command, args, { cwd: app, log, ...options });
      const problem = failure(result);
      if (!problem) return { passed: 1, failed: 0 };
      say(tail(result.text, 60));
      return { passed: 0, failed: 1, failures: [`\`${[command, ...args].join(" ")}\` ${problem}`], log };
    },
  };
}

/**
 * Runs test files with `node --test`; each test counts. `timeoutMs` bounds the whole run; with `again`, the files of a
 * few failed tests are run once more.
 */
export async function nodeTests(name, files, { args = [], env = process.env, timeoutMs, again = false }) {
  if (files.length === 0) return { passed: 0, failed: 1, failures: ["no test file was found"] };
  const first = await nodeRun(name, files, { args, env, timeoutMs });
  const repeated = again && !first.timedOut ? filesToRepeat(first.report) : undefined;
  if (!repeated) return first.count;
  say(`\nOnce more, alone: ${repeated.map((file) => path.relative(app, file)).join(", ")}`);
  const second = await nodeRun(`${name} again`, repeated, { args, env, timeoutMs });
  return corrected(first.count, second.count);
}

async function nodeRun(name, files, { args, env, timeoutMs }) {
  fs.mkdirSync(testLogs, { recursive: true });
  const tap = path.join(testLogs, `${slug(name)}.tap`);
  const log = path.join(testLogs, `${slug(name)}.log`);
  const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout", "--test-reporter=tap", `--test-reporter-destination=${tap}`];
  fs.rmSync(tap, { force: true });
  const result = await run(process.execPath, ["--test", ...reporters, ...args, ...files], { cwd: app, env, log, onLine: say, timeout: timeoutMs });
  const report = fs.existsSync(tap) ? fs.readFileSync(tap, "utf8") : "";
  const count = countTap(report, result.code ?? 1);
  if (result.timedOut) count.failures.push(`not finished within ${timeoutMs / 60_000} minutes`);
  return { count: { ...count, log }, timedOut: result.timedOut, report };
}

/** All files below `folder` whose name ends with one of `endings`, sorted; none when there is no such folder. */
export function filesBelow(folder, endings) {
  if (!fs.existsSync(folder)) return [];
  const names = fs.readdirSync(folder, { recursive: true }).map((name) => path.join(folder, String(name)));
  return names.filter((name) => endings.some((ending) => name.endsWith(ending))).sort();
}

export function slug(name) {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}
