// `npm run dist`: packages the app. On Linux the unpacked app and a .deb; on Windows and macOS an installer.
// With the fallback runtime it makes a package for tests only, and says so in its name.
//
//   --dir       the unpacked app only
//   --release   refuse the fallback runtime
//
// dist/dist.json tells the tests what was made: { unpacked, executable, deb, fallback, electron }.

import fs from "node:fs";
import path from "node:path";
import { app } from "./lib/paths.mjs";
import { SetupError, report, say, step } from "./lib/steps.mjs";
import { builderConfig } from "./packaging/config.mjs";
import { buildDeb } from "./packaging/deb.mjs";
import { electronRuntime } from "./setup/electron.mjs";
import { setup } from "./setup.mjs";

const output = path.join(app, "dist");

async function main() {
  const args = process.argv.slice(2);
  await setup({ yes: args.includes("--yes") });
  const runtime = electronRuntime();
  if (runtime.fallback && args.includes("--release")) {
    throw new SetupError(`nothing is released with Electron ${runtime.version}`, { hint: "run where Electron's release site can be reached" });
  }
  fs.rmSync(output, { recursive: true, force: true });
  const config = builderConfig(runtime.fallback ? { fallbackDist: runtime.dist, fallbackVersion: runtime.version } : {});
  if (args.includes("--dir")) for (const system of ["linux", "win", "mac"]) config[system].target = "dir";
  await step("package", () => pack(config));
  const made = { unpacked: unpackedFolder(), fallback: runtime.fallback, electron: runtime.version };
  made.executable = executableIn(made.unpacked);
  if (process.platform === "linux" && !args.includes("--dir")) {
    const { version } = JSON.parse(fs.readFileSync(path.join(app, "package.json"), "utf8"));
    await step(".deb", async (progress) => {
      made.deb = await buildDeb({ unpacked: made.unpacked, output, version, fallback: made.fallback, progress });
    });
  }
  fs.writeFileSync(path.join(output, "dist.json"), `${JSON.stringify(made, null, 2)}\n`);
  if (made.fallback) say("TEST ONLY: this package holds an old Electron. Do not distribute it.");
  say(`Unpacked: ${made.unpacked}${made.deb ? `\nPackage:  ${made.deb}` : ""}`);
}

async function pack(config) {
  const { build, Platform } = await import("electron-builder");
  await build({ projectDir: app, targets: Platform.current().createTarget(), config, publish: "never" });
}

function unpackedFolder() {
  const name = fs.readdirSync(output).find((each) => /unpacked$|^mac/.test(each));
  if (!name) throw new Error(`electron-builder left no unpacked app in ${output}`);
  return path.join(output, name);
}

function executableIn(unpacked) {
  if (process.platform === "darwin") return path.join(unpacked, "Tidecast.app", "Contents", "MacOS", "tidecast-desktop");
  return path.join(unpacked, process.platform === "win32" ? "tidecast-desktop.exe" : "tidecast-desktop");
}

try {
  await main();
} catch (error) {
  report(error);
  process.exitCode = 1;
}
