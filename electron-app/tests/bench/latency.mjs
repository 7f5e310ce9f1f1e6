// Glass to glass: from the moment the pattern is drawn to the moment a browser has it, in the app's own preview, in
// Chromium through the local server, and in Chromium's own capture loop for comparison. Memory on the way.

import { settings, startApp } from "../rigs/app.mjs";
import { captureLoop } from "../rigs/chromium_loop.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { startBlankPage } from "../rigs/pages.mjs";
import { installReader, startPattern, summary } from "../rigs/pattern.mjs";
import { memoryOf } from "../rigs/programs.mjs";
import { openViewer, startChromium } from "../rigs/viewer.mjs";
import { pause, percentile, until } from "../rigs/wait.mjs";

const sizes = { "720p30": [1280, 720, 4000], "1080p30": [1920, 1080, 6000] };
/** After a change of size: the first pictures are a keyframe and a settling rate control. */
const settleMs = 3000;

export function latencySeconds(plan) {
  return 15 + Math.max(plan.rounds * (5 * plan.latencySeconds + 40), plan.soakMs / 1000 + plan.latencySeconds * 5 + 40);
}

export async function latencyRounds(plan, say, step) {
  const display = await startDisplay({ width: 3300, height: 1100 });
  const viewerDisplay = await startDisplay({ width: 1280, height: 900 });
  const pattern = await startPattern(display, { width: 1280, height: 720, x: 1330, y: 20, content: "cells", title: "Tide pattern" });
  const site = await startBlankPage();
  const video = { width: 1280, height: 720, fps: 30, kbps: 4000, gopSeconds: 2 };
  const app = await startApp(display, { settings: settings({ video }) });
  const chromium = await startChromium(viewerDisplay, { width: 1200, height: 850 });
  const found = { "720p30": { preview: [], viewer: [] }, "1080p30": { preview: [], viewer: [] }, pairs: [] };
  try {
    await app.capture("Tide pattern");
    const { page: viewer } = await openViewer(chromium, await app.goLive(), { fresh: false });
    const ends = { preview: [app.page, '[data-testid="preview-video"]'], viewer: [viewer, "#video"] };
    const read = (end) => ends[end][0].evaluate(installReader, { selector: ends[end][1], content: "cells" });
    await read("viewer");
    await until("the viewer sees it", () => viewer.evaluate(() => window.tidecastPattern.latest() && window.tidecastPattern.latest().stamp), { deadline: 30_000 });
    await viewer.evaluate(() => window.tidecastPattern.stop());
    await pause(settleMs);
    const [host] = app.hosts();
    let begun;
    for (let index = 0; index < plan.rounds; index += 1) {
      const line = [];
      step(`round ${index + 1} of ${plan.rounds}: glass to glass`);
      let ours;
      for (const [name, [width, height, kbps]] of Object.entries(sizes)) {
        await app.page.evaluate((change) => window.tidecast.changeVideo(change), { width, height, kbps, fps: 30 });
        await until(`${name} arrives`, async () => {
          const sizes = await Promise.all(Object.values(ends).map(([page, selector]) => page.evaluate((query) => document.querySelector(query).videoWidth, selector)));
          return sizes.every((each) => each === width);
        }, { deadline: 30_000 });
        await pause(settleMs);
        const measured = {};
        for (const [end, [page]] of Object.entries(ends)) {
          // One reader at a time: two would slow each other, and the machine, down.
          await read(end);
          await pause(1000);
          await page.evaluate(() => window.tidecastPattern.take());
          await pause(plan.latencySeconds * 1000);
          measured[end] = summary(await page.evaluate(() => window.tidecastPattern.take())).latencies;
          await page.evaluate(() => window.tidecastPattern.stop());
          found[name][end].push(...measured[end]);
          line.push(`${name} ${end} ${figures(measured[end])}`);
        }
        if (name === "720p30") ours = measured.preview;
      }
      // Chromium's loop runs while ours rests: each has the machine for itself.
      await app.page.evaluate(() => window.tidecast.stopCapture());
      const loop = await chromiumLoop(display, site, plan);
      found.pairs.push({ ours, chromium: loop });
      line.push(`Chromium's own loop ${figures(loop)}`);
      say(`round ${index + 1}: ${line.join("; ")}`);
      await app.capture("Tide pattern");
      if (!(await app.isLive())) await app.goLive();
      if (begun) continue;
      // From here on each round leaves the engine in the same state: one size, one restart further.
      await pause(settleMs);
      found.rssStart = memoryOf(host);
      begun = Date.now();
    }
    if (Date.now() - begun < plan.soakMs) step("memory");
    while (Date.now() - begun < plan.soakMs) await pause(Math.min(5000, plan.soakMs - (Date.now() - begun)));
    if (app.hosts()[0] !== host) throw new Error("the engine host died during the bench");
    found.rssEnd = memoryOf(host);
    say(`engine host: ${found.rssStart.toFixed(1)} MiB, ${((Date.now() - begun) / 60_000).toFixed(1)} minutes later ${found.rssEnd.toFixed(1)} MiB`);
  } finally {
    for (const rig of [chromium && { stop: chromium.close }, app, pattern, site, viewerDisplay, display]) {
      await Promise.resolve(rig?.stop()).catch(() => {});
    }
  }
  return found;
}

function figures(latencies) {
  return `p50 ${percentile(latencies, 0.5)?.toFixed(0)} p95 ${percentile(latencies, 0.95)?.toFixed(0)} ms (${latencies.length})`;
}

async function chromiumLoop(display, site, plan) {
  const chromium = await startChromium(display, {
    args: ["--auto-select-window-capture-source-by-title=Tide pattern"],
    x: 2650, y: 20, width: 620, height: 500,
  });
  try {
    const page = await chromium.firstPage();
    await page.goto(site.url);
    await page.evaluate(captureLoop, { fps: 30, kbps: 4000 });
    await page.evaluate(installReader, { selector: "#v", content: "cells" });
    await until("Chromium's loop runs at its full size", () => page.evaluate(() => {
      const latest = window.tidecastPattern.latest();
      return latest && latest.stamp && latest.width === 1280;
    }), { deadline: 30_000 });
    await pause(settleMs);
    await page.evaluate(() => window.tidecastPattern.take());
    await pause(plan.latencySeconds * 1000);
    return summary(await page.evaluate(() => window.tidecastPattern.take())).latencies;
  } finally {
    await chromium.close();
  }
}
