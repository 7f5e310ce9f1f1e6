// What the tests speak to and no system package has, from PyPI, in a folder of its own: an S3 store that is not ours, and
// the reader of metrics that Prometheus' own authors wrote.

import fs from "node:fs";
import path from "node:path";
import { logs, python } from "../lib/paths.mjs";
import { hashInputs } from "../lib/stamp.mjs";
import { command, step } from "../lib/steps.mjs";
import { ensurePackages } from "./packages.mjs";
import { pipPackages } from "./package-list.mjs";

/** moto is the store, prometheus-client the reader; the others are what the store's server needs for S3 alone (its own
 * "server" extra is three times that). */
const peers = ["moto==5.2.5", "prometheus-client==0.23.1", "flask", "flask-cors", "py-partiql-parser"];

export async function ensurePythonPeers(stamps, options) {
  const inputs = hashInputs({ base: python, facts: peers });
  const proof = path.join(python, "moto", "server.py");
  if (stamps.isFresh("python", inputs, [proof])) return;
  await ensurePackages(pipPackages, options);
  await step("Python packages for the tests", async (progress) => {
    fs.rmSync(python, { recursive: true, force: true });
    await command("python3", ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", python, ...peers], {
      log: path.join(logs, "pip.log"),
      progress,
      hint: "check that PyPI can be reached (`python3 -m pip download --no-deps moto==5.2.5`), then run the same command again",
    });
  });
  stamps.save("python", inputs, [proof]);
}
