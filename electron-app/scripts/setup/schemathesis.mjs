// Schemathesis, which asks the live server's API everything that its description allows and much that it forbids. From
// PyPI, into a folder of its own: no system package has it, and nothing of the system's Python is changed.

import fs from "node:fs";
import path from "node:path";
import { logs, state } from "../lib/paths.mjs";
import { command, step } from "../lib/steps.mjs";
import { ensurePip } from "./electron.mjs";

const version = "4.32.5";
/** What Python has to look into. */
export const schemathesis = path.join(state, `schemathesis-${version}`);

export async function ensureSchemathesis({ yes }) {
  if (fs.existsSync(schemathesis)) return;
  await ensurePip({ yes });
  await step(`schemathesis ${version}`, async (progress) => {
    // Put beside its place and moved there whole: an interrupted run leaves nothing that looks finished.
    const work = `${schemathesis}.part`;
    fs.rmSync(work, { recursive: true, force: true });
    const hint = `check that PyPI can be reached (\`python3 -m pip download --no-deps schemathesis==${version}\`), then run the same command again`;
    const install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--target", work, `schemathesis==${version}`];
    await command("python3", install, { log: path.join(logs, "pip.log"), progress, hint });
    fs.renameSync(work, schemathesis);
  });
}
