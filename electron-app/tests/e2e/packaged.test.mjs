// What `npm run dist` makes: it starts, loads the addon from outside of its archive, and goes live.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { app as appFolder } from "../../scripts/lib/paths.mjs";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { installReader, startPattern } from "../rigs/pattern.mjs";
import { openViewer, startChromium } from "../rigs/viewer.mjs";
import { commandLine, family } from "../rigs/programs.mjs";
import { until } from "../rigs/wait.mjs";

let display, viewerDisplay, pattern, app, chromium, made;

before(async () => {
  execFileSync(process.execPath, [path.join(appFolder, "scripts", "dist.mjs"), "--dir"], { cwd: appFolder, stdio: ["ignore", "pipe", "pipe"], timeout: 300_000 });
  made = JSON.parse(fs.readFileSync(path.join(appFolder, "dist", "dist.json"), "utf8"));
  [display, viewerDisplay] = await Promise.all([startDisplay({ width: 2600, height: 1100 }), startDisplay({ width: 1280, height: 900 })]);
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, title: "Tide pattern" });
  app = await startApp(display, { executable: made.executable, settings: settings({ video: video720 }) });
  chromium = await startChromium(viewerDisplay);
}, { timeout: 400_000 });

after(async () => {
  for (const rig of [chromium && { stop: chromium.close }, app, pattern, viewerDisplay, display]) {
    await Promise.resolve(rig?.stop()).catch(() => {});
  }
});

test("the packaged app goes live, with the addon from outside of its archive", { timeout: 90_000 }, async () => {
  const addons = fs.readdirSync(path.join(made.unpacked, "resources", "app.asar.unpacked", "native")).filter((name) => name.endsWith(".node"));
  assert.equal(addons.length, 1);
  await app.capture("Tide pattern");
  const { page } = await openViewer(chromium, await app.goLive(), { fresh: false });
  await page.evaluate(installReader, { selector: "#video", content: "cells" });
  await until("a browser sees the picture", () => page.evaluate(() => window.tidecastPattern.latest()?.stamp));
  assert.ok(family(app.pid).some((id) => commandLine(id).some((word) => word.includes("app.asar"))), "it runs from its archive");
});
