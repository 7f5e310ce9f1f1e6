// `npm run notices`: writes THIRD_PARTY_NOTICES.md, what we ship that others wrote, from cargo's and npm's own data.
// Run it after a dependency has changed, and commit the result. `--check` only compares.

import fs from "node:fs";
import path from "node:path";
import { app } from "./lib/paths.mjs";
import { report, say, SetupError } from "./lib/steps.mjs";
import { nativeLibraries, npmPackages, rustPackages } from "./notices/collect.mjs";
import { renderNotices } from "./notices/render.mjs";

const file = path.join(app, "THIRD_PARTY_NOTICES.md");

try {
  const text = renderNotices({ native: nativeLibraries(), npm: npmPackages(), rust: rustPackages() });
  if (!process.argv.includes("--check")) {
    fs.writeFileSync(file, text);
    say(`${path.relative(process.cwd(), file)}: ${text.split("\n").length} lines`);
  } else if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== text) {
    throw new SetupError("THIRD_PARTY_NOTICES.md does not match the dependencies", { hint: "run `npm run notices --prefix electron-app` and commit the file" });
  }
} catch (error) {
  report(error);
  process.exitCode = 1;
}
