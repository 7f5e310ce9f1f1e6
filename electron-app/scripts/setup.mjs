// `npm run setup`: everything that must be there before the app or its tests can run. Each step is done once, and
// again only when its inputs change. Runs on plain Node: no npm package is needed to install the npm packages.
//
//   --yes              never ask before installing system packages
//   --tests            also what the tests need
//   --retry-electron   look for npm's Electron again although the fallback is installed
//   --only a,b         only these steps: packages, python and pebble (with --tests), npm, schemathesis (with --tests), electron, ffmpeg, native, bundle

import path from "node:path";
import { pathToFileURL } from "node:url";
import { state } from "./lib/paths.mjs";
import { Stamps } from "./lib/stamp.mjs";
import { report, say, seconds, step } from "./lib/steps.mjs";
import { ensureBundle } from "./setup/bundle.mjs";
import { ensureElectron } from "./setup/electron.mjs";
import { ensureFfmpeg, ensureNative } from "./setup/native.mjs";
import { ensureNpmPackages } from "./setup/npm.mjs";
import { buildPackages, runtimePackages, testPackages, virtualDisplayPackages } from "./setup/package-list.mjs";
import { ensurePackages, ffmpegPackages } from "./setup/packages.mjs";
import { ensurePebble } from "./setup/pebble.mjs";
import { ensurePythonPeers } from "./setup/python.mjs";
import { ensureSchemathesis } from "./setup/schemathesis.mjs";
import { checkTools } from "./setup/tools.mjs";

/**
 * Runs the steps in order. `only`: names of steps, all by default. `display`: a virtual display will be needed.
 */
export async function setup({ yes = false, tests = false, display = false, retryElectron = false, only } = {}) {
  const begun = Date.now();
  const stamps = new Stamps(path.join(state, "stamps"));
  const wants = (name) => !only || only.includes(name);
  say("Set-up");
  await step("tools", () => checkTools({ forTests: tests }));
  if (wants("packages")) {
    const extra = tests ? testPackages : display ? virtualDisplayPackages : [];
    await ensurePackages([...buildPackages, ...ffmpegPackages(), ...runtimePackages, ...extra], { yes });
  }
  if (tests && wants("python")) await ensurePythonPeers(stamps, { yes });
  if (tests && wants("pebble")) await ensurePebble(stamps);
  if (wants("npm")) await ensureNpmPackages(stamps);
  if (tests && wants("schemathesis")) await ensureSchemathesis({ yes });
  if (wants("electron")) await ensureElectron({ yes, retry: retryElectron });
  if (wants("ffmpeg")) await ensureFfmpeg(stamps);
  if (wants("native")) await ensureNative(stamps);
  if (wants("bundle")) await ensureBundle(stamps);
  say(`Set-up is complete (${seconds(Date.now() - begun)})`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const only = args.includes("--only") ? args[args.indexOf("--only") + 1]?.split(",") : undefined;
  try {
    await setup({ yes: args.includes("--yes"), tests: args.includes("--tests"), retryElectron: args.includes("--retry-electron"), only });
  } catch (error) {
    report(error);
    process.exitCode = 1;
  }
}
