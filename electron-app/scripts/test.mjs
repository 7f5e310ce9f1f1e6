// `npm test`: set-up, then every check, each counted; ends with one line, `N passed, N failed`.
// The one definition of "the tests": people, .ci/run and the workflows call this.
//
//   --only rust|ts|e2e|lint   a part (several with commas)
//   --long                    what takes longer (npm run test:long)
//   --match TEXT              only tests whose name contains TEXT (Rust) or matches it (TypeScript, e2e)
//   --no-setup                trust that set-up is complete
//   --yes                     never ask before installing system packages

import path from "node:path";
import { app } from "./lib/paths.mjs";
import { report, say, seconds } from "./lib/steps.mjs";
import { setup } from "./setup.mjs";
import { e2eChecks } from "./test/e2e.mjs";
import { lintChecks } from "./test/lint.mjs";
import { rustChecks } from "./test/rust.mjs";
import { tsChecks } from "./test/ts.mjs";

const parts = { lint: lintChecks, rust: rustChecks, ts: tsChecks, e2e: e2eChecks };

function options(args) {
  const after = (flag) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
  const only = after("--only")?.split(",") ?? Object.keys(parts);
  const unknown = only.filter((name) => !(name in parts));
  if (unknown.length > 0) throw new Error(`--only knows ${Object.keys(parts).join(", ")}, not ${unknown.join(", ")}`);
  return { only, long: args.includes("--long"), match: after("--match"), setup: !args.includes("--no-setup"), yes: args.includes("--yes") };
}

async function main() {
  const chosen = options(process.argv.slice(2));
  const done = [];
  if (chosen.setup) done.push(await check("set-up", () => prepare(chosen)));
  // Tests on a half-made set-up would fail for its reason a hundred times over.
  if (done.every((each) => each.failed === 0)) {
    for (const name of chosen.only) {
      for (const each of parts[name](chosen)) done.push(await check(each.name, each.run));
    }
  }
  process.exitCode = summarize(done);
}

// What set-up must bring follows from the parts: the type check needs no Rust build.
async function prepare({ only, yes }) {
  const needs = new Set(["packages", "npm"]);
  if (only.some((name) => name !== "ts")) needs.add("python").add("pebble").add("ffmpeg").add("native");
  if (only.includes("e2e")) needs.add("schemathesis").add("electron").add("bundle");
  try {
    await setup({ yes, tests: true, only: [...needs] });
    return { passed: 0, failed: 0 };
  } catch (error) {
    report(error);
    return { passed: 0, failed: 1, failures: [error.message] };
  }
}

async function check(name, run) {
  const begun = Date.now();
  say(`\n== ${name}`);
  let outcome;
  try {
    outcome = await run();
  } catch (error) {
    report(error);
    outcome = { passed: 0, failed: 1, failures: [error.message] };
  }
  const result = { ignored: 0, failures: [], unsteady: [], ...outcome, name, ms: Date.now() - begun };
  say(`== ${name}: ${result.passed} passed, ${result.failed} failed (${seconds(result.ms)})`);
  return result;
}

function summarize(done) {
  const width = Math.max(...done.map((each) => each.name.length));
  say("");
  for (const each of done) {
    const ignored = each.ignored ? `, ${each.ignored} left to test:long` : "";
    say(`${each.name.padEnd(width)}  ${String(each.passed).padStart(5)} passed ${String(each.failed).padStart(4)} failed  ${seconds(each.ms)}${ignored}`);
    if (each.log && each.failed > 0) say(`${" ".repeat(width)}  log: ${path.relative(process.cwd(), each.log)}`);
  }
  const unsteady = done.flatMap((each) => each.unsteady.map((name) => `${each.name}: ${name}`));
  if (unsteady.length > 0) say(`\nUnsteady, passed only when run again, alone:\n  ${unsteady.join("\n  ")}`);
  const failures = done.flatMap((each) => each.failures.map((failure) => `${each.name}: ${failure}`));
  if (failures.length > 0) say(`\nFailed:\n  ${failures.join("\n  ")}`);
  const sum = (field) => done.reduce((total, each) => total + each[field], 0);
  say(`\n${sum("passed")} passed, ${sum("failed")} failed`);
  return sum("failed") > 0 ? 1 : 0;
}

process.chdir(app);
main().catch((error) => {
  report(error);
  say("\n0 passed, 1 failed");
  process.exitCode = 1;
});
