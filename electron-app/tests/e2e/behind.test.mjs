// A viewer whose speakers stood still: Chromium keeps the sound that came meanwhile, and the picture waits for it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { installReader, startPattern, summary } from "../rigs/pattern.mjs";
import { startSound } from "../rigs/sound.mjs";
import { openViewer, soundBufferMs, startChromium } from "../rigs/viewer.mjs";
import { pause, percentile, until } from "../rigs/wait.mjs";

let display, viewerDisplay, sound, viewerSound, pattern, app, chromium;

before(async () => {
  [display, viewerDisplay, sound, viewerSound] = await Promise.all([
    startDisplay({ width: 2600, height: 1100 }),
    startDisplay({ width: 1280, height: 900 }),
    startSound(),
    startSound(),
  ]);
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, content: "bars", title: "Tide pattern" });
  app = await startApp(display, { sound: sound.env, settings: settings({ video: video720, audio: { systemSound: true, microphone: "default" } }) });
  chromium = await startChromium(viewerDisplay, { sound: viewerSound.env, width: 1200, height: 850 });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [chromium && { stop: chromium.close }, app, pattern, sound, viewerSound, viewerDisplay, display]) {
    await Promise.resolve(rig?.stop()).catch(() => {});
  }
});

test("speakers that stood still for some seconds leave nobody behind", { timeout: 180_000 }, async (t) => {
  await app.choose("Tide pattern");
  await app.click("start");
  const { page } = await openViewer(chromium, await app.goLive(), { fresh: false });
  await page.evaluate(installReader, { selector: "video", content: "bars" });
  const age = async () => percentile(summary(await page.evaluate(() => window.tidecastPattern.take())).latencies, 0.5);
  await until("pictures", () => page.evaluate(() => window.tidecastPattern.latest()?.presented > 60), { deadline: 20_000 });
  const joinedAnew = () => page.evaluate(() => document.querySelector("#log").textContent.includes("back to the live edge"));
  let joined = false;
  // How much of a stall a browser keeps is its own affair: 300 to 700 ms each time.
  for (let stalls = 0; !joined && stalls < 8; stalls += 1) {
    await viewerSound.stall(3000);
    t.diagnostic(`after a stall sound is held for ${Math.round(await soundBufferMs(page, 500))} ms`);
    joined = await until("it joins anew", joinedAnew, { deadline: 7000 }).catch(() => false);
  }
  assert.ok(joined, "it joins anew");
  const since = performance.now();
  await until("a picture of now", async () => {
    await page.evaluate(() => window.tidecastPattern.take());
    await pause(1000);
    return (await age()) < 500;
  }, { deadline: 15_000 });
  t.diagnostic(`at the live edge again after ${Math.round(performance.now() - since)} ms`);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.state), "live");
});
