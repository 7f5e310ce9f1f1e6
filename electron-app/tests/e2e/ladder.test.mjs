// Smaller renditions of a stream in Chromium: chosen on the viewer's page over WebRTC and LL-HLS and remembered, and each one
// played by hls.js and dash.js. The publisher is ffmpeg.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { app as appFolder } from "../../scripts/lib/paths.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { freePort } from "../rigs/pages.mjs";
import { stop } from "../rigs/programs.mjs";
import { publishRtmp, startServer } from "../rigs/servers.mjs";
import { inbound, openViewer, startChromium } from "../rigs/viewer.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
const ladder = "[transcoding]\nlinger_seconds = 2\n[transcoding.ladder.all]\nrenditions = [{ height = 360, kbps = 600 }, { height = 240, kbps = 300 }]\n";
let display, server, chromium, publisher;

before(async () => {
  const rtmp = await freePort();
  [display, server] = await Promise.all([
    startDisplay({ width: 1280, height: 900 }),
    startServer({ open: true, more: `[rtmp]\nlisten = "127.0.0.1:${rtmp}"\n${ladder}` }),
  ]);
  publisher = publishRtmp(rtmp, { size: "852x480", kbps: 1500 });
  chromium = await startChromium(display, { width: 1100, height: 860 });
  await until("the stream is live", async () => (await server.streams())[0].live, { deadline: 30_000 });
}, { timeout: 60_000 });

after(async () => {
  if (publisher) await stop(publisher);
  for (const rig of [chromium && { stop: chromium.close }, server, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

const height = (page) => page.evaluate(() => document.querySelector("video").videoHeight);
const sees = (page, wanted, deadline = 30_000) => until(`${wanted} rows`, async () => (await height(page)) === wanted, { deadline });
const made = async () => (await server.streams())[0].renditions.filter(({ name, state }) => name !== "source" && state === "running").map(({ name }) => name);

/** Watches the picture's pace in the page: `longest()` is the longest time without a new picture, ms. */
const watchPace = (page) => page.evaluate(() => {
  const video = document.querySelector("video");
  let [last, longest] = [performance.now(), 0];
  const step = (now) => {
    longest = Math.max(longest, now - last);
    last = now;
    video.requestVideoFrameCallback(step);
  };
  video.requestVideoFrameCallback(step);
  window.longest = () => Math.max(longest, performance.now() - last);
});

for (const [way, path] of [["WebRTC", "webrtc"], ["LL-HLS", "hls"]]) {
  test(`over ${way} a viewer chooses the quality while watching, and it is remembered`, limit, async (t) => {
    const { page } = await openViewer(chromium, `${server.base}/?stream=live&path=${path}`);
    await sees(page, 480);
    await page.waitForSelector("#quality option[value='240p']", { state: "attached" });
    assert.deepEqual(await page.$$eval("#quality option", (all) => all.map(({ value }) => value)), ["auto", "source", "360p", "240p"]);
    await watchPace(page);
    for (const [name, rows] of [["240p", 240], ["360p", 360], ["source", 480], ["240p", 240]]) {
      const begun = performance.now();
      await page.selectOption("#quality", name);
      await sees(page, rows);
      t.diagnostic(`${name} after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    }
    const longest = await page.evaluate(() => window.longest());
    t.diagnostic(`longest time without a new picture: ${longest.toFixed(0)} ms`);
    assert.ok(longest <= 1000, `${longest} ms`);
    assert.equal(await page.evaluate(() => window.tidecastPeers.length), way === "WebRTC" ? 1 : 0, "one connection for all of it");
    await page.reload();
    await sees(page, 240);
    assert.equal(await page.$eval("#quality", (select) => select.value), "240p");
    await page.selectOption("#quality", "auto");
    await page.close();
    await until("nothing is made for nobody", async () => (await made()).length === 0, { deadline: 60_000 });
  });
}

/** How long the picture is held back before it is decoded: milliseconds, the mean over three seconds. */
async function heldBack(page) {
  const before = await inbound(page);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const after = await inbound(page);
  return (1000 * (after.video.jitterBufferDelay - before.video.jitterBufferDelay)) / (after.video.jitterBufferEmittedCount - before.video.jitterBufferEmittedCount);
}

test("where there is no sound a picture is shown at once, and held back when the page finds the line uneven", limit, async (t) => {
  const { page } = await openViewer(chromium, `${server.base}/?stream=live&path=webrtc`);
  await sees(page, 480);
  // The stream is as it was; only what the page reads of it isn't.
  const misread = (what) => page.evaluate((wrong) => {
    const { measure } = window.FIGURES;
    window.FIGURES = { ...window.FIGURES, measure: async (pc) => ({ ...(await measure(pc)), ...wrong }) };
  }, what);
  await misread({ sounds: 0 });
  const atOnce = await until("pictures are not held back any more", async () => {
    const ms = await heldBack(page);
    return ms < 10 && ms;
  }, { deadline: 30_000 });
  await misread({ jitter: 0.05 });
  const held = await until("pictures are held back", async () => {
    const ms = await heldBack(page);
    return ms > 80 && ms;
  }, { deadline: 30_000 });
  t.diagnostic(`held back: ${atOnce.toFixed(1)} ms, then ${held.toFixed(0)} ms`);
  await page.close();
});

/** A page of the server's own with nothing in it but a player. */
async function emptyPage(library) {
  const page = await chromium.newPage();
  await page.goto(`${server.base}/healthz`);
  await page.evaluate(() => { document.body.innerHTML = '<video muted autoplay playsinline style="width:640px"></video>'; });
  await page.addScriptTag({ content: fs.readFileSync(path.join(appFolder, "node_modules", library), "utf8") });
  return page;
}

const plays = async (page) => {
  const before = await page.evaluate(() => document.querySelector("video").currentTime);
  await until("it goes on", async () => (await page.evaluate(() => document.querySelector("video").currentTime)) > before + 1, { deadline: 20_000 });
};

test("hls.js lists each rendition and plays it", limit, async () => {
  const page = await emptyPage("hls.js/dist/hls.min.js");
  await page.evaluate(() => {
    window.player = new window.Hls({ lowLatencyMode: false, startLevel: 2 });
    window.player.loadSource("/hls/live/index.m3u8");
    window.player.attachMedia(document.querySelector("video"));
  });
  await sees(page, 480);
  const levels = await page.evaluate(() => window.player.levels.map((level) => [level.width, level.height, level.frameRate, level.videoCodec]));
  assert.deepEqual(levels.map(([columns, rows]) => [columns, rows]), [[426, 240], [640, 360], [852, 480]]);
  for (const [, , rate, codec] of levels) assert.ok(rate > 15 && rate < 35 && codec.startsWith("avc1.42c0"), JSON.stringify(levels));
  for (const [level, rows] of [[0, 240], [1, 360], [2, 480]]) {
    await page.evaluate((index) => { window.player.nextLevel = index; }, level);
    await sees(page, rows, 40_000);
    await plays(page);
  }
  await page.close();
});

test("dash.js lists each rendition and plays it", limit, async () => {
  const page = await emptyPage("dashjs/dist/modern/umd/dash.all.min.js");
  await page.evaluate(() => {
    window.player = window.dashjs.MediaPlayer().create();
    window.player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } }, buffer: { fastSwitchEnabled: true } } });
    window.player.initialize(document.querySelector("video"), "/dash/live/manifest.mpd", true);
  });
  await until("three representations", () => page.evaluate(() => window.player.getRepresentationsByType("video").length === 3), { deadline: 40_000 });
  for (const rows of [240, 360, 480]) {
    await page.evaluate((wanted) => {
      const one = window.player.getRepresentationsByType("video").find((representation) => representation.height === wanted);
      window.player.setRepresentationForTypeById("video", one.id, true);
    }, rows);
    await sees(page, rows, 40_000);
    await plays(page);
  }
  await page.close();
});
