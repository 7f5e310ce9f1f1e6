// The native part: the minimal FFmpeg, then the whole Rust workspace in one go: the addon, `tidecast`,
// `tidecast-server`. One go and `--workspace`, so that features are the same as in the tests: each dependency is
// compiled once.

import fs from "node:fs";
import path from "node:path";
import { addon, addonTypes, app, cargoEnv, ffmpegPrefix, ffmpegScript, hostTriple, logs, program, rust } from "../lib/paths.mjs";
import { hashInputs } from "../lib/stamp.mjs";
import { SetupError, command, step } from "../lib/steps.mjs";
import { installedVersion } from "./tools.mjs";

export async function ensureFfmpeg(stamps) {
  // Elsewhere it comes from vcpkg, or wherever FFMPEG_DIR points.
  if (process.platform !== "linux") return checkForeignFfmpeg();
  if (process.env.FFMPEG_DIR) return;
  if (!fs.existsSync(ffmpegScript)) throw new SetupError(`${path.relative(app, ffmpegScript)} is missing`, { hint: "is this a whole checkout?" });
  const outputs = [path.join(ffmpegPrefix, "lib", "libavcodec.a"), path.join(ffmpegPrefix, "include", "libavcodec", "avcodec.h")];
  const inputs = hashInputs({ base: rust, paths: [path.dirname(ffmpegScript)], facts: [process.arch] });
  if (stamps.isFresh("ffmpeg", inputs, outputs)) return;
  await step("minimal FFmpeg (about 2 minutes of computing)", async (progress) => {
    await command(ffmpegScript, [], {
      cwd: rust,
      log: path.join(logs, "ffmpeg.log"),
      progress,
      hint: "the source comes from ffmpeg.org or from Debian's source package: check that one of them can be reached, then run the same command again",
    });
    // The old static library lies inside what cargo has compiled, and cargo doesn't watch it.
    if (fs.existsSync(path.join(rust, "target"))) {
      await command("cargo", ["clean", "--quiet", "-p", "ffmpeg-sys-next", "--target", hostTriple()], { cwd: rust, env: cargoEnv(), log: path.join(logs, "ffmpeg.log"), progress });
    }
  });
  stamps.save("ffmpeg", inputs, outputs);
}

function checkForeignFfmpeg() {
  if (process.env.FFMPEG_DIR) return;
  throw new SetupError("FFMPEG_DIR is not set", { hint: "install FFmpeg's development files and set FFMPEG_DIR to their folder, see .github/CONTRIBUTING.md" });
}

/** Builds the addon and the programs. Returns whether anything had to be built. */
export async function ensureNative(stamps) {
  const inputs = hashInputs({
    base: rust,
    paths: [rust, path.join(app, "package.json")],
    facts: [installedVersion("rustc") ?? "", hostTriple(), process.env.FFMPEG_DIR ?? ""],
    skip: ["target", ".ffmpeg", "fuzz", "benches", "tests", "ARCHITECTURE.md"],
  });
  const outputs = [addon, addonTypes, program("tidecast"), program("tidecast-server")];
  if (stamps.isFresh("native", inputs, outputs)) return false;
  await step("native part (cold: about 9 minutes on two cores)", async (progress) => {
    await command("npm", ["run", "--silent", "build:native"], {
      cwd: app,
      env: cargoEnv(),
      log: path.join(logs, "native.log"),
      progress,
      hint: "the compiler's message above names the file; if a library or header is missing, run set-up again with `npm run setup --prefix electron-app`",
    });
  });
  const absent = outputs.filter((file) => !fs.existsSync(file));
  if (absent.length > 0) throw new SetupError(`the build ended well but left no ${absent.join(", ")}`);
  stamps.save("native", inputs, outputs);
  return true;
}
