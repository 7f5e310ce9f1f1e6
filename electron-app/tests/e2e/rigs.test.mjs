// The rigs themselves: a measuring tool that isn't checked proves nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startDisplay } from "../rigs/display.mjs";
import { startBlankPage } from "../rigs/pages.mjs";
import { bars, installReader, startPattern, summary } from "../rigs/pattern.mjs";
import { startChromium } from "../rigs/viewer.mjs";
import { captureLoop } from "../rigs/chromium_loop.mjs";
import { percentile, until } from "../rigs/wait.mjs";

let display;
let pattern;
let site;
let chromium;

before(async () => {
  display = await startDisplay();
  pattern = await startPattern(display, { width: 1280, height: 720, content: "cells", title: "rig pattern" });
  site = await startBlankPage();
  chromium = await startChromium(display, {
    args: ["--auto-select-window-capture-source-by-title=rig pattern"],
    x: 1290, width: 600, height: 500,
  });
});

after(async () => {
  await chromium?.close();
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
  const colours = await page.evaluate(() => window.tidecastPattern.colours());
  for (const [index, want] of bars.entries()) {
    for (const channel of [0, 1, 2]) {
      assert.ok(Math.abs(colours[index][channel] - want[channel]) <= 4, `bar ${index}: ${colours[index]} for ${want}`);
    }
  }
});
