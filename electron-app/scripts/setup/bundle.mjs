// The app's TypeScript, bundled by scripts/bundle.mjs.

import fs from "node:fs";
import path from "node:path";
import { app, bundle, logs } from "../lib/paths.mjs";
import { hashInputs } from "../lib/stamp.mjs";
import { SetupError, command, step } from "../lib/steps.mjs";

export async function ensureBundle(stamps) {
  const script = path.join(app, "scripts", "bundle.mjs");
  if (!fs.existsSync(script)) throw new SetupError("scripts/bundle.mjs is missing", { hint: "is this a whole checkout?" });
  const inputs = hashInputs({
    base: app,
    paths: [path.join(app, "src"), script, path.join(app, "package-lock.json"), path.join(app, "native", "index.d.ts")],
  });
  const main = path.join(app, JSON.parse(fs.readFileSync(path.join(app, "package.json"), "utf8")).main);
  if (stamps.isFresh("bundle", inputs, [bundle, main])) return;
  await step("app bundle", async (progress) => {
    await command(process.execPath, [script], { cwd: app, log: path.join(logs, "bundle.log"), progress, hint: "the message above names the file and line" });
  });
  stamps.save("bundle", inputs, [bundle, main]);
}
