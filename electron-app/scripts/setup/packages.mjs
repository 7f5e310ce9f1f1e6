// Installs the system packages that are missing, through apt: listed, confirmed where a person is at the terminal,
// with sudo where it must. On other systems it prints what to type.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline/promises";
import { ffmpegScript, logs } from "../lib/paths.mjs";
import { onPath, start } from "../lib/run.mjs";
import { SetupError, command, say, step } from "../lib/steps.mjs";
import { allNames, buildPackages, chooseNames, missingPackages, parseCandidates, parseInstalled, withoutPresentPrograms } from "./package-list.mjs";

/** Makes sure of `wanted` (entries of package-list.mjs). `yes`: never ask. Returns once all are installed. */
export async function ensurePackages(wanted, { yes = false } = {}) {
  if (process.platform !== "linux" || !onPath("dpkg-query") || !onPath("apt-get")) return adviseOtherSystem(wanted);
  const missing = withoutPresentPrograms(missingPackages(wanted, installedPackages(wanted)), onPath);
  if (missing.length === 0) return;
  say(`Missing system packages: ${missing.join(" ")}`);
  const prefix = rootPrefix(missing);
  await confirm(`Install them with ${[...prefix, "apt-get install"].join(" ")}?`, { yes, missing });
  await install(missing, prefix);
}

/** What the minimal FFmpeg needs for its own build, as its script says. */
export function ffmpegPackages() {
  if (process.platform !== "linux" || !fs.existsSync(ffmpegScript)) return [];
  const result = spawnSync(ffmpegScript, ["--packages"], { encoding: "utf8" });
  if (result.status !== 0) {
    throw new SetupError("the FFmpeg script could not name the packages that it needs", { detail: result.stderr });
  }
  return result.stdout.split(/\s+/).filter(Boolean);
}

function installedPackages(wanted) {
  // dpkg-query ends with 1 when it does not know one of the names; what it knows is printed all the same.
  const query = ["-W", "-f", "${Package} ${db:Status-Status}\\n", ...allNames(wanted)];
  return parseInstalled(spawnSync("dpkg-query", query, { encoding: "utf8" }).stdout ?? "");
}

function rootPrefix(missing) {
  if (process.getuid() === 0) return [];
  if (onPath("sudo")) return ["sudo"];
  throw new SetupError(`these system packages are missing and there is no sudo: ${missing.join(" ")}`, {
    hint: `as root, run: apt-get install ${missing.map((each) => each.split("|")[0]).join(" ")}`,
  });
}

async function confirm(question, { yes, missing }) {
  if (yes || process.env.CI || !process.stdin.isTTY) return;
  const prompt = readline.createInterface({ input: process.stdin, output: process.stdout });
  const answer = await prompt.question(`${question} [Y/n] `);
  prompt.close();
  if (/^(y|yes|)$/i.test(answer.trim())) return;
  throw new SetupError("the system packages were not installed", {
    hint: `install them yourself: sudo apt-get install ${missing.map((each) => each.split("|")[0]).join(" ")}`,
  });
}

async function install(missing, prefix) {
  let choice = chooseNames(missing, candidates(missing));
  if (choice.unknown.length > 0) {
    await apt(prefix, ["update"], "package lists");
    choice = chooseNames(missing, candidates(missing));
  }
  if (choice.unknown.length > 0) {
    throw new SetupError(`apt knows no package named ${choice.unknown.join(", ")}`, {
      hint: "is this a supported Debian or Ubuntu (Debian 12, Ubuntu 22.04 or newer), with its `main` (and `universe`) section switched on?",
    });
  }
  const args = ["install", "-y", "--no-install-recommends", ...choice.names];
  try {
    await apt(prefix, args, "system packages");
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    // Old lists name versions that the mirror no longer has: fetch new ones once, then the error is real.
    await apt(prefix, ["update"], "package lists");
    await apt(prefix, args, "system packages, second try");
  }
}

function candidates(missing) {
  const policy = spawnSync("apt-cache", ["policy", ...allNames(missing)], { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  return parseCandidates(policy.stdout ?? "");
}

async function apt(prefix, args, name) {
  const full = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
  if (prefix.length > 0 && process.stdin.isTTY) return aptWithPassword(full);
  await step(name, async (progress) => {
    await command(full[0], full.slice(1), {
      log: path.join(logs, "apt.log"),
      progress,
      hint: "check the network and the apt sources, then run the same command again",
    });
  });
}

// sudo may ask for a password: it needs the terminal itself.
async function aptWithPassword(full) {
  say(`$ ${full.join(" ")}`);
  const child = start(full[0], full.slice(1), { stdio: "inherit", grouped: false });
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new SetupError(`apt-get ended with code ${code}`, { hint: "see its messages above" });
}

const advice = {
  darwin: "brew install nasm cmake pkg-config, the Xcode command line tools (xcode-select --install), and `vcpkg install \"ffmpeg[core,avcodec,avformat,x264,gpl]:arm64-osx\"` with FFMPEG_DIR pointing at its folder installed/arm64-osx",
  win32: "winget install NASM.NASM Kitware.CMake LLVM.LLVM, Visual Studio Build Tools with C++, and `vcpkg install \"ffmpeg[core,avcodec,avformat,x264,gpl,nvcodec,amf]:x64-windows-static-md\"` with FFMPEG_DIR pointing at its folder installed/x64-windows-static-md",
};

// Without apt the package names say little; the tools they bring can be looked for.
function adviseOtherSystem(wanted) {
  const needsCompilers = wanted.some((each) => buildPackages.includes(each));
  const missing = needsCompilers ? ["cmake", "nasm", "clang"].filter((tool) => !onPath(tool)) : [];
  if (missing.length === 0) return;
  const hint = advice[process.platform] ?? `with your system's package manager, install what these Debian packages hold: ${wanted.join(" ")}`;
  throw new SetupError(`not found: ${missing.join(", ")}`, { hint });
}
