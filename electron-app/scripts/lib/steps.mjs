// Says what is going on: one line per step with its time, a sign of life during long ones, and for a failed step
// what it was, what to do, and the end of its log.

import { failure, run, tail } from "./run.mjs";
import path from "node:path";

const terminal = process.stdout.isTTY === true && !process.env.CI;
// Without a terminal a line now and then tells a reader of a CI log that a twelve-minute build is alive.
const heartbeatMs = 30_000;

/** A failure that the user can act on: `message` says what, `hint` what to do, `detail` shows why. */
export class SetupError extends Error {
  constructor(message, { hint, detail } = {}) {
    super(message);
    this.hint = hint;
    this.detail = detail;
  }
}

/** A duration in ms for people. */
export function seconds(ms) {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const whole = Math.round(ms / 1000);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export function say(text) {
  clear();
  process.stdout.write(`${text}\n`);
}

function clear() {
  if (terminal) process.stdout.write("\r\x1b[K");
}

/** Runs `work(progress)` and reports it; `progress(line)` shows what it is doing now. */
export async function step(name, work) {
  const begun = Date.now();
  let last = "";
  const beat = () => {
    const elapsed = seconds(Date.now() - begun);
    if (!terminal) return say(`  … ${name}, ${elapsed}${last ? `: ${last}` : ""}`);
    const line = `  … ${name}, ${elapsed}  ${last}`;
    process.stdout.write(`\r\x1b[K${line.slice(0, (process.stdout.columns || 80) - 1)}`);
  };
  const timer = setInterval(beat, terminal ? 500 : heartbeatMs);
  try {
    const outcome = await work((line) => {
      if (line.trim()) last = line.trim().slice(0, 160);
    });
    say(`  ✓ ${name}: ${outcome ?? "done"} (${seconds(Date.now() - begun)})`);
  } catch (error) {
    say(`  ✗ ${name}: failed (${seconds(Date.now() - begun)})`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Runs a command as part of a step; throws a `SetupError` with the log's tail when it fails. */
export async function command(program, args, { log, progress, hint, cwd, env, timeout }) {
  const result = await run(program, args, { log, onLine: progress, cwd, env, timeout });
  const problem = failure(result);
  if (!problem) return result;
  throw new SetupError(`\`${[program, ...args].join(" ")}\` ${problem}`, {
    hint,
    detail: `${tail(result.text)}\n(whole log: ${path.relative(process.cwd(), log) || log})`,
  });
}

/** Prints a failure for people. An unforeseen error keeps its stack: that is a fault of these scripts. */
export function report(error) {
  clear();
  const lines = [];
  if (!(error instanceof SetupError)) lines.push(error?.stack ?? String(error));
  else {
    if (error.detail) lines.push("", error.detail.replace(/^/gm, "    "), "");
    lines.push(`Failed: ${error.message}`);
    if (error.hint) lines.push(`What to do: ${error.hint}`);
  }
  process.stderr.write(`${lines.join("\n")}\n`);
}
