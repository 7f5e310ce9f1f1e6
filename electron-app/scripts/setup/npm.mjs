// The npm packages, exactly as locked.

import path from "node:path";
import fs from "node:fs";
import { app, logs } from "../lib/paths.mjs";
import { hashInputs } from "../lib/stamp.mjs";
import { command, step } from "../lib/steps.mjs";

export async function ensureNpmPackages(stamps) {
  const inputs = hashInputs({ base: app, paths: [path.join(app, "package-lock.json")], facts: [process.platform, process.arch] });
  // npm's own record of what is installed: another `npm install` in between changes it, and the step runs again.
  const record = path.join(app, "node_modules", ".package-lock.json");
  if (stamps.isFresh("npm", inputs, [record])) return;
  // What developers have just added by hand is not thrown away for a stamp that does not exist yet.
  if (!fs.existsSync(record) || !matchesLock(record)) {
    await step("npm packages", (progress) => install(progress));
  }
  stamps.save("npm", inputs, [record]);
}

// npm writes the same entries to both files, but for the root's own.
function matchesLock(record) {
  try {
    const wanted = JSON.parse(fs.readFileSync(path.join(app, "package-lock.json"), "utf8")).packages;
    const have = JSON.parse(fs.readFileSync(record, "utf8")).packages;
    return Object.entries(wanted).every(([name, entry]) => name === "" || entry.optional || have[name]?.integrity === entry.integrity);
  } catch {
    return false;
  }
}

async function install(progress) {
  await command("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=warn"], {
    cwd: app,
    // Electron's runtime is a step of its own, as its download host is not reachable everywhere.
    env: { ...process.env, ELECTRON_SKIP_BINARY_DOWNLOAD: "1" },
    log: path.join(logs, "npm.log"),
    progress,
    hint: "check the network and the npm registry (`npm config get registry`), then run the same command again",
  });
}
