// The live server's pages load bundles that are committed: they must be what their sources make.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { app } from "../../scripts/lib/paths.mjs";

test("the viewer page's hls.js and the admin pages are what npm run build:viewer makes", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(app, "scripts/viewer.mjs"), "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
});
