// `--no-default-features` must really leave libx264 out, in each program that ships: a default feature that a crate in
// between keeps on would make a binary GPL that says it is not.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { cargoEnv, rust } from "../../scripts/lib/paths.mjs";

const shipped = ["tidecast-cli", "rust-native"];

function features(program, ...args) {
  const run = spawnSync("cargo", ["tree", "--edges", "normal,features", "--package", program, "--invert", "tidecast-encoder", ...args], {
    cwd: rust,
    env: cargoEnv(),
    encoding: "utf8",
  });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout;
}

for (const program of shipped) {
  test(`${program} has x264 by default, and has it not without default features`, () => {
    assert.match(features(program), /tidecast-encoder feature "gpl"/);
    const without = features(program, "--no-default-features");
    assert.match(without, /tidecast-encoder v/);
    assert.doesNotMatch(without, /feature "gpl"/);
  });
}
