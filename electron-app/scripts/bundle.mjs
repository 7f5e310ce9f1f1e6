// Bundles the app's TypeScript with esbuild: one file per process, and the page with its styles and fonts.
//
//   --watch   stays and bundles again after each change
//
// Targets are those of the oldest runtime that the app is tried on (Electron 9: Node 12.14, Chromium 83).

import fs from "node:fs";
import path from "node:path";
import { context } from "esbuild";
import { app, bundle } from "./lib/paths.mjs";

const src = path.join(app, "src");
const common = { bundle: true, logLevel: "info", absWorkingDir: app, sourcemap: "linked", metafile: false };

const node = { ...common, platform: "node", format: "cjs", target: "node12.14", external: ["electron"] };
const parts = [
  { ...node, entryPoints: [path.join(src, "main/main.ts")], outfile: path.join(bundle, "main/main.js") },
  { ...node, entryPoints: [path.join(src, "engine-host/host.ts")], outfile: path.join(bundle, "engine-host/host.js") },
  {
    ...common,
    entryPoints: [path.join(src, "preload/preload.ts")],
    outfile: path.join(bundle, "preload/preload.js"),
    platform: "browser",
    format: "cjs",
    target: "chrome83",
    external: ["electron"],
    // A sandboxed preload script cannot read a source map beside it.
    sourcemap: false,
  },
  {
    ...common,
    entryPoints: { app: path.join(src, "renderer/main.tsx") },
    outdir: path.join(bundle, "renderer"),
    platform: "browser",
    format: "esm",
    target: "chrome83",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".woff2": "file" },
    assetNames: "fonts/[name]",
    minifySyntax: true,
    define: { "process.env.NODE_ENV": '"production"' },
  },
];

function copyStatic() {
  const out = path.join(bundle, "renderer");
  fs.mkdirSync(out, { recursive: true });
  for (const name of ["index.html", "icon.png", "icon.svg"]) fs.copyFileSync(path.join(src, "renderer", name), path.join(out, name));
}

async function main() {
  const watch = process.argv.includes("--watch");
  fs.rmSync(bundle, { recursive: true, force: true });
  copyStatic();
  const contexts = await Promise.all(parts.map((part) => context(part)));
  for (const each of contexts) {
    if (watch) await each.watch();
    else {
      await each.rebuild();
      await each.dispose();
    }
  }
}

main().catch(() => {
  // esbuild has said what is wrong.
  process.exitCode = 1;
});
