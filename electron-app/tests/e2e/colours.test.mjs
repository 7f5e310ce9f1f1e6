// The preview's colours as a streamer with OpenGL sees them: Chromium's own drawing, which the other tests use where
// there is no GPU, is 5 % short on blue.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { assertBars, installReader, startPattern } from "../rigs/pattern.mjs";
import { until } from "../rigs/wait.mjs";

let display, pattern, app;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, content: "bars", title: "Tide pattern" });
  app = await startApp(display, { settings: settings({ video: video720 }), args: ["--use-gl=desktop"] });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

test("drawn with OpenGL, the preview shows the colour bars within 4 levels", { timeout: 60_000 }, async () => {
  const gpu = await app.app.evaluate(({ app: electron }) => electron.getGPUFeatureStatus());
  assert.match(gpu.gpu_compositing, /^enabled/, JSON.stringify(gpu));
  await app.page.evaluate(installReader, { selector: '[data-testid="preview-video"]', content: "bars" });
  await app.choose("Tide pattern");
  await app.click("start");
  await until("right colours", async () => {
    assertBars(await app.page.evaluate(() => window.tidecastPattern.colours().then(({ bars }) => bars)), 4);
    return true;
  }, { deadline: 15_000 });
});
