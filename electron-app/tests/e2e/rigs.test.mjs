// The rigs themselves: a measuring tool that isn't checked proves nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startDisplay } from "../rigs/display.mjs";
import { startBlankPage } from "../rigs/pages.mjs";
import { assertBars, installReader, startPattern, summary } from "../rigs/pattern.mjs";
import { installEar, startSound } from "../rigs/sound.mjs";
import { startChromium } from "../rigs/viewer.mjs";
import { captureLoop } from "../rigs/chromium_loop.mjs";
import { pause, percentile, until } from "../rigs/wait.mjs";

let display;
let pattern;
let site;
let chromium;
let sound;

before(async () => {
  display = await startDisplay();
  pattern = await startPattern(display, { width: 1280, height: 720, content: "cells", title: "rig pattern" });
  site = await startBlankPage();
  sound = await startSound();
  chromium = await startChromium(display, {
    sound: sound.env,
    args: ["--auto-select-window-capture-source-by-title=rig pattern"],
    x: 1290, width: 600, height: 500,
  });
});

after(async () => {
  await chromium?.close();
  await sound?.stop();
  await site?.stop();
  await pattern?.stop();
  await display?.stop();
});

test("the pattern is read out of Chromium's own screen capture, in its colours", { timeout: 90_000 }, async () => {
  const page = await chromium.firstPage();
  await page.goto(site.url);
  await page.evaluate(captureLoop, { fps: 30, peer: false });
  await page.evaluate(installReader, { selector: "#v", content: "cells" });
  await until("thirty pictures are read", () => page.evaluate(() => window.tidecastPattern.latest()?.presented > 30));
  const { unique, unreadable, frames, latencies } = summary(await page.evaluate(() => window.tidecastPattern.take()));
  assert.ok(unique > 15, `${unique} unique stamps of ${frames} pictures`);
  assert.ok(unreadable <= 2, `${unreadable} of ${frames} unreadable`);
  const p50 = percentile(latencies, 0.5);
  assert.ok(p50 > 0 && p50 < 500, `latency ${p50} ms`);
  const { bars: colours } = await page.evaluate(() => window.tidecastPattern.colours());
  assertBars(colours, 4);
});

test("the ear hears the rig's microphone at its pitch, and when it began", { timeout: 90_000 }, async (t) => {
  const page = await chromium.firstPage();
  await page.goto(site.url);
  await chromium.context.grantPermissions(["microphone"], { origin: new URL(site.url).origin });
  await page.evaluate(async () => {
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 2 };
    document.querySelector("#v").srcObject = await navigator.mediaDevices.getUserMedia({ audio: raw });
  });
  await page.evaluate(installEar, { selector: "#v" });
  await sound.tone("microphone", 440, 20);
  await until("440 Hz", async () => {
    const [left] = await page.evaluate(() => window.tidecastEar.spectrum());
    return Math.abs(left.hz - 440) < 12 && left.rmsDb > -40;
  });
  await sound.silence();
  await until("silence", async () => (await page.evaluate(() => window.tidecastEar.spectrum()))[0].rmsDb < -60);
  const heard = (await page.evaluate(() => window.tidecastEar.onsets())).length;
  const delays = [];
  for (let index = 0; index < 4; index += 1) {
    const played = await sound.beep("microphone", 1000, 0.1);
    const onset = await until("the beep", () => page.evaluate((n) => window.tidecastEar.onsets()[n], heard + index), { deadline: 5000 });
    delays.push(onset - played);
    await pause(400); // a beep begins where there was silence
  }
  t.diagnostic(`beeps heard after ${delays.map((delay) => delay.toFixed(0)).join(", ")} ms`);
  for (const delay of delays) assert.ok(delay > -10 && delay < 300, `${delay} ms`);
});
