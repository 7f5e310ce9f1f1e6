// `npm run build:viewer`: bundles what the live server's pages load: hls.js, for viewers whom WebRTC can't reach, and the
// admin pages (src/server-admin). Run it after either has changed, and commit the results: cargo needs no Node.
// `--check` only compares.
//
// What a live page never meets is left out of hls.js: subtitles, DRM, advertisements, steering.

import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import { app, rust } from "./lib/paths.mjs";
import { report, say, SetupError } from "./lib/steps.mjs";

const pages = path.join(rust, "crates/live_server/src/page");
const library = path.join(app, "node_modules/hls.js");
const left = [
  "EME_DRM", "SUBTITLES", "CMCD", "CONTENT_STEERING", "VARIABLE_SUBSTITUTION", "M2TS_ADVANCED_CODECS", "MEDIA_CAPABILITIES",
  "INTERSTITIALS", "IFRAMES",
];

async function hls() {
  const { version } = JSON.parse(fs.readFileSync(path.join(library, "package.json"), "utf8"));
  const define = {
    ...Object.fromEntries(left.map((name) => [`__USE_${name}__`, "false"])),
    __USE_ALT_AUDIO__: "true",
    __IN_WORKER__: "false",
    __HLS_WORKER_BUNDLE__: "undefined",
    __VERSION__: JSON.stringify(version),
  };
  const { outputFiles } = await build({
    absWorkingDir: app,
    entryPoints: [path.join(library, "src/exports-default.ts")],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    globalName: "HLS_JS",
    target: "chrome83",
    legalComments: "none",
    define,
    banner: { js: `// hls.js ${version}, Apache-2.0, https://github.com/video-dev/hls.js; made by npm run build:viewer` },
    logLevel: "warning",
  });
  return outputFiles[0].text;
}

async function admin() {
  const { outputFiles } = await build({
    absWorkingDir: app,
    entryPoints: [path.join(app, "src/server-admin/main.tsx")],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "chrome83",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    define: { "process.env.NODE_ENV": '"production"' },
    banner: { js: "// The admin pages, with Preact (MIT, https://preactjs.com); made of electron-app/src/server-admin by npm run build:viewer" },
    logLevel: "warning",
  });
  return outputFiles[0].text;
}

try {
  for (const [name, bundle] of [["hls.js", hls], ["admin.js", admin]]) {
    const file = path.join(pages, name);
    const text = await bundle();
    if (!process.argv.includes("--check")) {
      fs.writeFileSync(file, text);
      say(`${path.relative(process.cwd(), file)}: ${Math.round(text.length / 1024)} KB`);
    } else if (fs.readFileSync(file, "utf8") !== text) {
      throw new SetupError(`the server's ${name} is not what its sources make`, { hint: "run `npm run build:viewer --prefix electron-app` and commit the file" });
    }
  }
} catch (error) {
  report(error);
  process.exitCode = 1;
}
