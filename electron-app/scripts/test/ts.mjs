// TypeScript: each layer checked with its own tsconfig, so that a wrong import does not compile; then unit tests.

import fs from "node:fs";
import path from "node:path";
import { app, state } from "../lib/paths.mjs";
import { failure, run, tail } from "../lib/run.mjs";
import { exitCodeCheck, filesBelow, nodeTests, testLogs } from "./shared.mjs";

const unitRunMs = 5 * 60_000;

export function tsChecks({ long, match }) {
  if (long) return [];
  const named = match ? [`--test-name-pattern=${match}`] : [];
  return [
    ...layerChecks(),
    { name: "script tests", run: () => nodeTests("script tests", filesBelow(path.join(app, "tests", "scripts"), [".test.mjs"]), { args: named, timeoutMs: unitRunMs }) },
    { name: "TypeScript unit tests", run: () => unitTests(named) },
  ];
}

function layerChecks() {
  const tsc = path.join(app, "node_modules", "typescript", "bin", "tsc");
  const configs = [...filesBelow(path.join(app, "src"), ["tsconfig.json"]), ...filesBelow(path.join(app, "tests"), ["tsconfig.json"])];
  if (configs.length === 0) {
    return [{ name: "tsc", run: () => ({ passed: 0, failed: 1, failures: ["no tsconfig.json was found below src"] }) }];
  }
  return configs.map((config) => {
    const layer = path.relative(app, path.dirname(config));
    return exitCodeCheck(`tsc ${layer}`, process.execPath, [tsc, "--noEmit", "-p", config]);
  });
}

// Node 20 runs no TypeScript: each test file is bundled first, with esbuild as the app itself is.
async function unitTests(named) {
  const unit = path.join(app, "tests", "unit");
  const sources = filesBelow(unit, [".test.ts", ".test.tsx"]);
  const plain = filesBelow(unit, [".test.mjs", ".test.js"]);
  const out = path.join(state, "unit-tests");
  fs.rmSync(out, { recursive: true, force: true });
  if (sources.length > 0) {
    const problem = await bundle(sources, unit, out);
    if (problem) return problem;
  }
  return nodeTests("unit tests", [...plain, ...filesBelow(out, [".test.mjs"])], { args: named, timeoutMs: unitRunMs });
}

async function bundle(sources, base, out) {
  const esbuild = path.join(app, "node_modules", "esbuild", "bin", "esbuild");
  const log = path.join(testLogs, "unit-tests-bundle.log");
  const flags = ["--bundle", "--platform=node", "--format=esm", "--target=node20", "--out-extension:.js=.mjs", "--sourcemap=inline"];
  const jsx = ["--jsx=automatic", "--jsx-import-source=preact", "--log-level=warning"];
  const where = [`--outbase=${base}`, `--outdir=${out}`];
  const result = await run(process.execPath, [esbuild, ...sources, ...flags, ...jsx, ...where], { cwd: app, log });
  const why = failure(result);
  return why && { passed: 0, failed: 1, failures: [`bundling the unit tests ${why}: ${tail(result.text, 10)}`], log };
}
