// A still desktop with our own window on it costs next to nothing, and still shows one changed pixel at once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { settings, startApp } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { installReader, startPattern } from "../rigs/pattern.mjs";
import { openViewer, startChromium } from "../rigs/viewer.mjs";
import { cpuOf } from "../rigs/programs.mjs";
import { median, pause, until } from "../rigs/wait.mjs";

const limit = { timeout: 90_000 };
let display, viewerDisplay, pattern, app, chromium, viewer;

before(async () => {
  [display, viewerDisplay] = await Promise.all([startDisplay({ width: 1920, height: 1080 }), startDisplay({ width: 1280, height: 900 })]);
  // Out of the window manager's hands, so that it lies at exactly these pixels.
  pattern = await startPattern(display, { width: 640, height: 360, x: 1280, y: 0, content: "still", overrideRedirect: true });
  const video = { width: 1920, height: 1080, fps: 30, kbps: 6000, gopSeconds: 2 };
  app = await startApp(display, { settings: settings({ video, window: { width: 1024, height: 640 } }) });
  chromium = await startChromium(viewerDisplay, { width: 1200, height: 850 });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [chromium && { stop: chromium.close }, app, pattern, viewerDisplay, display]) {
    await Promise.resolve(rig?.stop()).catch(() => {});
  }
});

test("our own window inside the captured screen is covered by a card in the preview", limit, async () => {
  await display.xdotool("mousemove", 1900, 1070);
  const { video } = await app.sources();
  await app.choose(video.find((source) => source.kind === "monitor").title);
  await app.click("start");
  await until("the card is shown", () => app.visible("preview-card"));
});

test("a still desktop is idle but for the keep-alive", limit, async (t) => {
  const url = await app.goLive();
  // The first time that the page says what it wishes of its session is lost on the way.
  const wishes = [];
  await chromium.context.route(/\/layer$/, (route) => (wishes.push(route.request().postData()) === 1 ? route.abort() : route.continue()));
  ({ page: viewer } = await openViewer(chromium, url, { fresh: false }));
  const region = [1280 / 1920, 0, 640 / 1920, 360 / 1080];
  await viewer.evaluate(installReader, { selector: "#video", content: "still", region });
  await until("the viewer has the picture", () => viewer.evaluate(() => window.tidecastPattern.latest()?.stamp));
  await until("the page has said its wish again", () => wishes.length > 1);
  assert.deepEqual(wishes.map((wish) => JSON.parse(wish).buffer), ["none", "none"]);
  // The live timer in our window ticks: our own window's changes are no reason for a picture.
  const seconds = await until("five idle seconds in a row", async () => {
    const last = (await app.seen()).stats.slice(-5);
    return last.length === 5 && last.every((each) => each.fpsEncoded <= 2.5) && last;
  }, { deadline: 30_000, every: 500 });
  const [host] = app.hosts();
  const before = cpuOf(host);
  await pause(5000);
  const cores = (cpuOf(host) - before) / 5000;
  t.diagnostic(`${seconds.map((each) => each.fpsEncoded.toFixed(1)).join(", ")} encodes a second; engine host ${cores.toFixed(3)} cores`);
  assert.ok(cores < 0.1, `${cores} cores on a still desktop`);
});

test("one changed pixel arrives within 200 ms", { timeout: 180_000 }, async (t) => {
  // Two processors without a GPU draw two windows here: whatever else the machine does only ever adds. So one round of
  // three must be within the limit; what is slow by itself is slow in all of them.
  const rounds = [];
  while (rounds.length < 3 && !rounds.some((lags) => median(lags) <= 200)) {
    rounds.push(await pixels(166 + 12 * rounds.length));
    t.diagnostic(`pixel to viewer: ${rounds.at(-1).map((lag) => lag.toFixed(0)).join(", ")} ms`);
  }
  assert.ok(median(rounds.at(-1)) <= 200, `${rounds.map((lags) => lags.map(Math.round).join(" ")).join("; ")} ms`);
  assert.ok(Math.min(...rounds.flat()) > 0, "none is seen before it is drawn");
  // None may wait for the keep-alive, which comes once a second.
  assert.ok(Math.max(...rounds.at(-1)) <= 700, `${rounds.at(-1)} ms`);
});

/** How long each of five pixels took to the viewer, ms. In the flash zone, which is black; another pixel each time. */
async function pixels(y) {
  const lags = [];
  for (const [index, x] of [100, 220, 340, 460, 580].entries()) {
    await viewer.evaluate(({ x, y }) => {
      window.tidecastSpot = undefined;
      const video = document.querySelector("#video");
      const watch = () => {
        if (window.tidecastPattern.pixel(x, y)[1] > 90) window.tidecastSpot = window.tidecastPattern.wall();
        else video.requestVideoFrameCallback(watch);
      };
      video.requestVideoFrameCallback(watch);
    }, { x: 1280 + x, y });
    await pause(400 + index * 130);
    const { shown } = await pattern.pixel(x, y, "ffffff");
    const at = await until("the pixel arrives", () => viewer.evaluate(() => window.tidecastSpot), { every: 20, deadline: 5000 });
    lags.push(at - shown / 10);
  }
  return lags;
}
