// `npm run build:viewer`: bundles hls.js into the one file that the live server's viewer page loads when WebRTC can't
// get through. Run it after hls.js has changed, and commit the result: cargo needs no Node. `--check` only compares.
//
// What a live page never meets is left out: subtitles, DRM, advertisements, steering.

import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import { app, rust } from "./lib/paths.mjs";
import { report, say, SetupError } from "./lib/steps.mjs";

const file = path.join(rust, "crates/live_server/src/page/hls.js");
const library = path.join(app, "node_modules/hls.js");
const left = [
  "EME_DRM", "SUBTITLES", "CMCD", "CONTENT_STEERING", "VARIABLE_SUBSTITUTION", "M2TS_ADVANCED_CODECS", "MEDIA_CAPABILITIES",
  "INTERSTITIALS", "IFRAMES",
];

async function bundle() {
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

try {
  const text = await bundle();
  if (!process.argv.includes("--check")) {
    fs.writeFileSync(file, text);
    say(`${path.relative(process.cwd(), file)}: ${Math.round(text.length / 1024)} KB`);
  } else if (fs.readFileSync(file, "utf8") !== text) {
    throw new SetupError("the viewer's hls.js is not what its package makes", { hint: "run `npm run build:viewer --prefix electron-app` and commit the file" });
  }
} catch (error) {
  report(error);
  process.exitCode = 1;
}
