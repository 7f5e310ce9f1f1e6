// TypeScript: each layer checked with its own tsconfig, so that a wrong import does not compile; then unit tests.

import fs from "node:fs";
import path from "node:path";
import { app, state } from "../lib/paths.mjs";
import { exitCodeCheck, filesBelow, nodeTests } from "./shared.mjs";

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
  // tsconfig.json of a folder, or tsconfig.<layer>.json beside package.json; the base holds only what they share.
  const beside = fs.readdirSync(app).filter((name) => /^tsconfig\.(?!base\b)[\w-]+\.json$/.test(name));
  const below = ["src", "tests"].flatMap((folder) => filesBelow(path.join(app, folder), [`${path.sep}tsconfig.json`]));
  const configs = [...beside.map((name) => path.join(app, name)), ...below];
  if (configs.length === 0) {
    return [{ name: "tsc", run: () => ({ passed: 0, failed: 1, failures: ["no tsconfig.json was found"] }) }];
  }
  return configs.map((config) => {
    const layer = path.relative(app, config).replace(/[\\/]?tsconfig\.|\.?json$/g, "");
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
  // By its API: the program of the npm package is a script or a binary, as npm's install scripts decided.
  const esbuild = await import("esbuild");
  try {
    await esbuild.build({
      entryPoints: sources,
      outbase: base,
      outdir: out,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      outExtension: { ".js": ".mjs" },
      sourcemap: "inline",
      jsx: "automatic",
      jsxImportSource: "preact",
      logLevel: "warning",
      // A CommonJS dependency in an ES module bundle asks for `require`.
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    });
    return undefined;
  } catch (error) {
    return { passed: 0, failed: 1, failures: [`bundling the unit tests: ${error.message}`] };
  }
}
