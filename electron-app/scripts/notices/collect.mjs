// Finds what is shipped: crates that are linked (not build or test tools), npm packages that are bundled, and the
// C libraries, which no package manager lists.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { builtinModules } from "node:module";
import path from "node:path";
import { app, cargoEnv, ffmpegPrefix, rust } from "../lib/paths.mjs";
import { SetupError } from "../lib/steps.mjs";

// All systems that we build for, so that the file is the same wherever it is made.
const targets = ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin"];
const shipped = ["rust-native", "tidecast-cli", "tidecast-live-server"];

/** Each `{ name, version, license, source, texts }`, sorted by name. */
export function rustPackages() {
  const filters = targets.flatMap((target) => ["--filter-platform", target]);
  const args = ["metadata", "--format-version", "1", "--locked", ...filters];
  const metadata = JSON.parse(execFileSync("cargo", args, { cwd: rust, env: cargoEnv(), encoding: "utf8", maxBuffer: 1 << 28 }));
  const linked = linkedPackages(metadata);
  const foreign = metadata.packages.filter((each) => linked.has(each.id) && each.source);
  return foreign.map((each) => ({
    name: each.name,
    version: each.version,
    license: each.license ?? "see its text",
    source: each.repository ?? each.homepage ?? "",
    texts: licenseTexts(path.dirname(each.manifest_path)),
  })).sort(byName);
}

/** The ids that are reached from what we ship by normal dependencies. Proc-macros run in the compiler only. Pure. */
export function linkedPackages({ packages, resolve }, roots = shipped) {
  const known = new Map(packages.map((each) => [each.id, each]));
  const nodes = new Map(resolve.nodes.map((each) => [each.id, each]));
  const isMacro = (id) => known.get(id)?.targets.some((target) => target.kind.includes("proc-macro"));
  const queue = packages.filter((each) => roots.includes(each.name)).map((each) => each.id);
  const found = new Set();
  while (queue.length > 0) {
    const id = queue.pop();
    if (found.has(id) || isMacro(id)) continue;
    found.add(id);
    const normal = (nodes.get(id)?.deps ?? []).filter((dep) => dep.dep_kinds.some(({ kind }) => kind === null));
    queue.push(...normal.map((dep) => dep.pkg));
  }
  return found;
}

/** What is bundled into the live server's viewer page (scripts/viewer.mjs). */
const viewer = ["hls.js", "eventemitter3", "url-toolkit"];

/** The npm packages that the app's sources import, with what they depend on, the viewer page's, and Electron. */
export function npmPackages() {
  const found = new Map();
  const queue = [...importedNames(path.join(app, "src")), ...viewer, "electron"];
  while (queue.length > 0) {
    const name = queue.pop();
    const folder = path.join(app, "node_modules", name);
    if (found.has(name) || !fs.existsSync(path.join(folder, "package.json"))) continue;
    const about = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
    found.set(name, { name, version: about.version, license: about.license, source: repository(about), texts: licenseTexts(folder) });
    // Electron's npm package is a downloader: what that depends on is not shipped.
    if (name !== "electron") queue.push(...Object.keys(about.dependencies ?? {}));
  }
  return [...found.values()].sort(byName);
}

function importedNames(folder) {
  const files = fs.readdirSync(folder, { recursive: true }).map((name) => path.join(folder, String(name)));
  const sources = files.filter((file) => /\.(tsx?|css)$/.test(file)).map((file) => fs.readFileSync(file, "utf8"));
  return sources.flatMap(bareImports);
}

/** The packages named by `import`, `export … from`, `import()` and CSS `@import`/`url()` in a source. Pure. */
export function bareImports(source) {
  const names = [...source.matchAll(/(?:from|import|@import|url)\s*\(?\s*["']([^"'./][^"']*)["']/g)].map((match) => match[1]);
  const packages = names.map((name) => name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/"));
  return [...new Set(packages)].filter((name) => !name.includes(":") && !builtinModules.includes(name));
}

function repository(about) {
  const address = typeof about.repository === "string" ? about.repository : about.repository?.url;
  return (address ?? about.homepage ?? "").replace(/^git\+/, "").replace(/\.git$/, "");
}

function licenseTexts(folder) {
  const names = fs.readdirSync(folder).filter((name) => /^(licen[cs]e|copying|copyright|notice|unlicense|ofl)/i.test(name)).sort();
  const files = names.map((name) => path.join(folder, name)).filter((file) => fs.statSync(file).isFile());
  return files.map((file) => ({ name: path.basename(file), text: fs.readFileSync(file, "utf8").replace(/\r\n/g, "\n").trim() }));
}

/** What is linked or compiled in from C, as the builds are configured. */
export function nativeLibraries() {
  return [
    { name: "FFmpeg (libavcodec, libavformat, libavutil)", version: "5.1", license: "GPL-2.0-or-later in the default build, LGPL-2.1-or-later without the cargo feature `gpl`", source: "https://ffmpeg.org" },
    { name: "x264", version: "of the system", license: "GPL-2.0-or-later (only with the cargo feature `gpl`, which is on by default)", source: "https://www.videolan.org/developers/x264.html" },
    { name: "SVT-AV1", version: "2.3.0", license: "BSD-3-Clause-Clear, with the Alliance for Open Media Patent License 1.0", source: "https://gitlab.com/AOMediaCodec/SVT-AV1", texts: svtTexts() },
    { name: "OpenH264", version: "in openh264-sys2", license: "BSD-2-Clause", source: "https://github.com/cisco/openh264" },
    { name: "Opus", version: "in opusic-sys", license: "BSD-3-Clause", source: "https://opus-codec.org" },
    { name: "AWS-LC", version: "in aws-lc-sys", license: "ISC AND (Apache-2.0 OR ISC)", source: "https://github.com/aws/aws-lc" },
    { name: "nv-codec-headers", version: "of the system", license: "MIT", source: "https://git.videolan.org/?p=ffmpeg/nv-codec-headers.git" },
  ];
}

// Copied there by the script that builds it: its own text, the patent licence, and those of what it is made of.
function svtTexts() {
  const file = path.join(ffmpegPrefix, "SVT-AV1.LICENSES");
  if (!fs.existsSync(file)) throw new SetupError(`${file} is missing`, { hint: "run rust-native/ffmpeg/build" });
  return [{ name: "SVT-AV1.LICENSES", text: fs.readFileSync(file, "utf8").trim() }];
}

function byName(a, b) {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1;
}
