// An hour of streaming: nothing grows, nothing drifts, nothing stops.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { installReader, startPattern, summary } from "../rigs/pattern.mjs";
import { memoryOf } from "../rigs/programs.mjs";
import { startSound } from "../rigs/sound.mjs";
import { openViewer, startChromium } from "../rigs/viewer.mjs";
import { median, onTheWay, pause, until } from "../rigs/wait.mjs";

/** Minutes; the environment may shorten a trial run. */
const minutes = Number(process.env.TIDECAST_SOAK_MINUTES ?? 60);
let display, viewerDisplay, sound, pattern, app, chromium, viewer;

before(async () => {
  [display, viewerDisplay, sound] = await Promise.all([startDisplay({ width: 2600, height: 1100 }), startDisplay({ width: 1280, height: 900 }), startSound()]);
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, title: "Tide pattern" });
  app = await startApp(display, { sound: sound.env, settings: settings({ video: video720, audio: { systemSound: true, microphone: "default" } }) });
  chromium = await startChromium(viewerDisplay);
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [chromium && { stop: chromium.close }, app, pattern, sound, viewerDisplay, display]) {
    await Promise.resolve(rig?.stop()).catch(() => {});
  }
});

test(`${minutes} minutes live: memory level, latency level, no freeze`, { timeout: (minutes + 5) * 60_000 }, async (t) => {
  await app.capture("Tide pattern");
  ({ page: viewer } = await openViewer(chromium, await app.goLive(), { fresh: false }));
  await viewer.evaluate(installReader, { selector: "#video", content: "cells" });
  await until("the viewer has the picture", () => viewer.evaluate(() => window.tidecastPattern.latest() && window.tidecastPattern.latest().stamp));
  await pause(30_000);
  const [host] = app.hosts();
  const samples = [];
  const end = Date.now() + minutes * 60_000;
  while (Date.now() < end) {
    await viewer.evaluate(() => window.tidecastPattern.take());
    await pause(Math.min(30_000, (minutes * 60_000) / 4));
    const { latencies, longestGap, fps } = summary(await viewer.evaluate(() => window.tidecastPattern.take()));
    samples.push({ memory: memoryOf(host), latency: median(latencies), longestGap, fps });
    assert.equal(app.hosts()[0], host, "the engine host is the same");
    assert.ok(await app.isLive());
  }
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const [early, late] = [samples.slice(0, quarter), samples.slice(-quarter)];
  const of = (part, key) => median(part.map((sample) => sample[key]));
  t.diagnostic(`memory ${of(early, "memory").toFixed(1)} → ${of(late, "memory").toFixed(1)} MiB, latency ${of(early, "latency").toFixed(0)} → ${of(late, "latency").toFixed(0)} ms, longest gap ${Math.max(...samples.map((sample) => sample.longestGap)).toFixed(0)} ms`);
  t.diagnostic(`memory on the way: ${onTheWay(samples.map((sample) => sample.memory))} MiB`);
  assert.ok(of(late, "memory") < of(early, "memory") * 1.1 + 5, "memory is level");
  assert.ok(of(late, "latency") < of(early, "latency") + 50, "latency is level");
  assert.ok(samples.every((sample) => sample.longestGap < 2000), "no freeze");
});
