// The live server's page loads a bundle that is committed: it must be what its package makes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { app } from "../../scripts/lib/paths.mjs";

test("the viewer page's hls.js is what npm run build:viewer makes", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(app, "scripts/viewer.mjs"), "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
});
