// End to end: the real app in a real Electron window under Xvfb, a real sound server, Chromium as the viewer.
// One file after the other: they share two cores, and latencies are measured.

import path from "node:path";
import { app, cargoEnv, program } from "../lib/paths.mjs";
import { electronRuntime } from "../setup/electron.mjs";
import { filesBelow, nodeTests } from "./shared.mjs";

const shortRunMs = 25 * 60_000;
const longRunMs = 6 * 60 * 60_000;

export function e2eChecks({ long, match }) {
  const folder = path.join(app, "tests", long ? "long" : "e2e");
  const name = long ? "end-to-end tests (long)" : "end-to-end tests";
  return [{ name, run: () => run(name, folder, { long, match }) }];
}

function run(name, folder, { long, match }) {
  const named = match ? [`--test-name-pattern=${match}`] : [];
  return nodeTests(name, filesBelow(folder, [".test.mjs"]), {
    args: ["--test-concurrency=1", ...named],
    env: e2eEnv(),
    timeoutMs: long ? longRunMs : shortRunMs,
    again: !long,
  });
}

/** What the tests and the bench are told about the build, so that they need not find it again. */
export function e2eEnv() {
  const runtime = electronRuntime();
  return {
    ...cargoEnv(),
    TIDECAST_ELECTRON: runtime?.executable ?? "",
    TIDECAST_ELECTRON_FALLBACK: runtime?.fallback ? "1" : "",
    TIDECAST_BIN: path.dirname(program("tidecast")),
    // Only npm's own `electron` module reads this one.
    ...(runtime?.fallback ? { ELECTRON_OVERRIDE_DIST_PATH: runtime.dist } : {}),
  };
}
