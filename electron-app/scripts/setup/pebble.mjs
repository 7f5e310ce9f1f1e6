// What the tests fetch certificates from: pebble, the small ACME authority of Let's Encrypt's own tests. No system package
// has it; Go builds it from its module, into a folder of its own.

import fs from "node:fs";
import path from "node:path";
import { logs, state } from "../lib/paths.mjs";
import { hashInputs } from "../lib/stamp.mjs";
import { command, step } from "../lib/steps.mjs";

const version = "v2.10.1";
const folder = path.join(state, "go");
const program = path.join(folder, "bin", "pebble");

export async function ensurePebble(stamps) {
  const inputs = hashInputs({ base: folder, facts: [version] });
  if (stamps.isFresh("pebble", inputs, [program])) return;
  await step(`pebble ${version}`, async (progress) => {
    fs.rmSync(program, { force: true });
    await command("go", ["install", `github.com/letsencrypt/pebble/v2/cmd/pebble@${version}`], {
      log: path.join(logs, "go.log"),
      progress,
      env: { ...process.env, GOBIN: path.join(folder, "bin"), CGO_ENABLED: "0" },
      hint: "pebble needs Go 1.21 or newer (https://go.dev/dl) and a way to the Go modules (`go env GOPROXY`); then run the same command again",
    });
  });
  stamps.save("pebble", inputs, [program]);
}
