// The tools that set-up cannot install for you: Node, git, Rust. Says which is missing or too old, and how to get it.

import { spawnSync } from "node:child_process";
import { SetupError } from "../lib/steps.mjs";

// Node 20.19 is the first 20 that can `require` an ES module, which npm's Electron does when it fetches its runtime.
const minimum = { node: "20.19", rustc: "1.89" };

/** Whether `found` ("1.95.0") is at least `wanted` ("1.89"). */
export function atLeast(found, wanted) {
  const parts = (version) => version.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  const [have, want] = [parts(found), parts(wanted)];
  for (let i = 0; i < want.length; i += 1) {
    if ((have[i] ?? 0) !== want[i]) return (have[i] ?? 0) > want[i];
  }
  return true;
}

/** The list of problems, each `{ what, hint }`; empty when every tool is there. `version(command)` may be replaced in tests. */
export function toolProblems({ nodeVersion = process.versions.node, version = installedVersion, forTests = false } = {}) {
  const problems = [];
  const rustHint = "install Rust with rustup, see https://rustup.rs, then open a new terminal";
  if (!atLeast(nodeVersion, minimum.node)) {
    problems.push({ what: `Node ${nodeVersion} is too old, ${minimum.node} or newer is needed`, hint: "install Node 20 LTS or newer from https://nodejs.org" });
  }
  if (!version("git")) problems.push({ what: "git was not found", hint: "install git, for example `sudo apt-get install git`" });
  const rustc = version("rustc");
  if (!rustc) problems.push({ what: "rustc (Rust) was not found", hint: rustHint });
  else if (!atLeast(rustc, minimum.rustc)) {
    problems.push({ what: `rustc ${rustc} is too old, ${minimum.rustc} or newer is needed`, hint: "run `rustup update stable`" });
  }
  if (!version("cargo")) problems.push({ what: "cargo (Rust) was not found", hint: rustHint });
  if (forTests && rustc) {
    if (!version("rustfmt")) problems.push({ what: "rustfmt was not found", hint: "run `rustup component add rustfmt`" });
    if (!version("cargo-clippy")) problems.push({ what: "clippy was not found", hint: "run `rustup component add clippy`" });
  }
  return problems;
}

export function checkTools(options) {
  const problems = toolProblems(options);
  if (problems.length > 0) {
    throw new SetupError(problems.map((problem) => problem.what).join("; "), {
      hint: problems.map((problem) => problem.hint).join("; "),
    });
  }
  return `Node ${process.versions.node}, rustc ${installedVersion("rustc")}`;
}

export function installedVersion(command) {
  const result = spawnSync(command, ["--version"], { encoding: "utf8" });
  if (result.status !== 0) return undefined;
  return /\d+(\.\d+)+\S*/.exec(result.stdout)?.[0] ?? "unknown";
}
