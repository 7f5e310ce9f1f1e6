// Format, lints, and the generated type file of the addon.

import { spawnSync } from "node:child_process";
import path from "node:path";
import { addonTypes, cargoEnv, hostTriple, root, rust } from "../lib/paths.mjs";
import { exitCodeCheck } from "./shared.mjs";

export function lintChecks({ long }) {
  if (long) return [];
  const rustOptions = { cwd: rust, env: cargoEnv() };
  const clippy = ["clippy", "--workspace", "--all-targets", "--target", hostTriple(), "--", "-D", "warnings"];
  return [
    exitCodeCheck("rustfmt", "cargo", ["fmt", "--all", "--", "--check"], rustOptions),
    exitCodeCheck("clippy", "cargo", clippy, rustOptions),
    { name: "index.d.ts is as generated", run: generatedTypesAreCommitted },
  ];
}

// Set-up has just generated it; git knows what was committed.
function generatedTypesAreCommitted() {
  const file = path.relative(root, addonTypes);
  const status = spawnSync("git", ["-C", root, "status", "--porcelain", "--", file], { encoding: "utf8" });
  const tracked = spawnSync("git", ["-C", root, "ls-files", "--error-unmatch", "--", file], { encoding: "utf8" });
  if (status.status !== 0 || tracked.status !== 0) {
    return { passed: 0, failed: 1, failures: [`git cannot compare ${file}: ${(status.stderr || tracked.stderr).trim()}`] };
  }
  if (status.stdout.trim() === "") return { passed: 1, failed: 0 };
  return { passed: 0, failed: 1, failures: [`${file} differs from what is committed: commit what the build generated`] };
}
