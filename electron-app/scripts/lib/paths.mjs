// Where things are. One place, so that the set-up, the tests, the bench and the packager agree on it.
// Node without dependencies: it runs before any npm package is installed.

import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const app = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
export const root = path.dirname(app);
export const rust = path.join(root, "rust-native");
/** What earlier runs of the set-up have done (stamps) and how it went (logs). Safe to delete. */
export const state = path.join(app, ".setup");
export const logs = path.join(state, "logs");
/** Python packages of the tests' peers. */
export const python = path.join(state, "python");
/** The fallback Electron runtime. Safe to delete. */
export const fallbackElectron = path.join(app, ".electron");
/** The addon and its generated type file. */
export const native = path.join(app, "native");
export const addon = path.join(native, "tidecast.node");
export const addonTypes = path.join(native, "index.d.ts");
/** The minimal FFmpeg that is linked into everything native. */
export const ffmpegPrefix = path.join(rust, ".ffmpeg");
export const ffmpegScript = path.join(rust, "ffmpeg", "build");
/** What the bundler writes. */
export const bundle = path.join(app, "build");

let triple;
/**
 * The host's target triple, for example `x86_64-unknown-linux-gnu`.
 * `napi build` always passes `--target`, which moves cargo's output and separates host from target crates; every
 * other cargo call passes the same, or everything would be compiled twice.
 */
export function hostTriple() {
  if (!triple) {
    const text = execFileSync("rustc", ["-vV"], { encoding: "utf8" });
    triple = /^host: (.+)$/m.exec(text)?.[1];
    if (!triple) throw new Error("`rustc -vV` names no host");
  }
  return triple;
}

export function cargoTargetDir() {
  const chosen = process.env.CARGO_TARGET_DIR ?? process.env.CARGO_BUILD_TARGET_DIR;
  // Cargo resolves a relative CARGO_TARGET_DIR against its own working folder, which is `rust` in these scripts.
  return chosen ? path.resolve(rust, chosen) : path.join(rust, "target");
}

/** The path of a built program of the workspace: `tidecast`, `tidecast-server`. It may not exist yet. */
export function program(name) {
  return path.join(cargoTargetDir(), hostTriple(), "debug", process.platform === "win32" ? `${name}.exe` : name);
}

/**
 * The environment for everything that compiles Rust here. FFMPEG_DIR is always named, in one spelling: the two
 * .cargo/config.toml spell the same folder differently, and cargo would compile its users anew at each change.
 */
export function cargoEnv() {
  return { FFMPEG_DIR: ffmpegPrefix, ...process.env };
}
