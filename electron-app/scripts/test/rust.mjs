// The Rust tests of the whole workspace, in one cargo call: features and profile are those of the build.

import path from "node:path";
import { corrected, testsToRepeat } from "../lib/again.mjs";
import { countLibtest } from "../lib/libtest.mjs";
import { cargoEnv, hostTriple, rust } from "../lib/paths.mjs";
import { run, tail } from "../lib/run.mjs";
import { say } from "../lib/steps.mjs";
import { testLogs } from "./shared.mjs";

// Cold, the build itself takes most of this on two slow cores.
const shortRunMs = 35 * 60_000;
const longRunMs = 4 * 60 * 60_000;
const againMs = 10 * 60_000;

export function rustChecks({ long, match }) {
  return [{ name: long ? "Rust tests (long)" : "Rust tests", run: () => cargoTest({ long, match }) }];
}

async function cargoTest({ long, match }) {
  // Long tests carry #[ignore]; nothing else may.
  const filters = [...(match ? [match] : []), ...(long ? ["--ignored"] : [])];
  const timeout = long ? longRunMs : shortRunMs;
  // No long Rust test is a state, not a failure: the soak is one in JavaScript.
  const first = await tests(filters, { log: long ? "cargo-test-long.log" : "cargo-test.log", timeout, mayBeEmpty: long });
  const names = long ? undefined : testsToRepeat(first);
  if (!names) return first;
  say(`\nOnce more, alone: ${names.join(", ")}`);
  const second = await tests(["--exact", "--test-threads=1", ...names], { log: "cargo-test-again.log", timeout: againMs });
  return corrected(first, second, names.length);
}

async function tests(filters, { log: name, timeout, mayBeEmpty }) {
  const args = ["test", "--workspace", "--no-fail-fast", "--target", hostTriple(), "--", ...filters];
  const log = path.join(testLogs, name);
  const result = await run("cargo", args, { cwd: rust, env: { ...cargoEnv(), CARGO_TERM_COLOR: "never" }, log, onLine: shown(), timeout });
  const count = countLibtest(result.text, result.code ?? 1, { mayBeEmpty });
  if (result.timedOut) count.failures.push(`not finished within ${timeout / 60_000} minutes`);
  if (count.failed > 0) say(tail(result.text, 80));
  return { ...count, log };
}

// Compiling a crate says nothing to a reader; a test, its result and the reason of a panic (the line after it) do.
function shown() {
  let panicked = false;
  return (line) => {
    if (panicked || /^test |^test result|^\s+(Running|Doc-tests|Finished)|^error|panicked/.test(line)) say(line);
    panicked = line.includes("panicked at");
  };
}
