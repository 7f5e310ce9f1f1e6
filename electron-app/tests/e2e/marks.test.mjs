// Marks that a platform sets by the API, as dash.js tells them to a page in Chromium: when the picture has come to their
// time, once, with all that was said of them. The publisher is ffmpeg.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { app as appFolder } from "../../scripts/lib/paths.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { freePort } from "../rigs/pages.mjs";
import { stop } from "../rigs/programs.mjs";
import { publishKey, publishRtmp, startServer } from "../rigs/servers.mjs";
import { startChromium } from "../rigs/viewer.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
const scheme = "urn:tidecast:mark:1";
let display, server, chromium, publisher;

before(async () => {
  const rtmp = await freePort();
  [display, server] = await Promise.all([
    startDisplay({ width: 1280, height: 900 }),
    startServer({ open: true, more: `[rtmp]\nlisten = "127.0.0.1:${rtmp}"\n` }),
  ]);
  publisher = publishRtmp(rtmp);
  chromium = await startChromium(display, { width: 1100, height: 860 });
  await until("the stream is live", async () => (await server.streams())[0].live, { deadline: 30_000 });
}, { timeout: 60_000 });

after(async () => {
  if (publisher) await stop(publisher);
  for (const rig of [chromium && { stop: chromium.close }, server, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

async function set(mark) {
  const answer = await fetch(`${server.base}/api/v1/streams/live/marks`, {
    method: "POST",
    headers: { Authorization: `Bearer ${publishKey}`, "Content-Type": "application/json" },
    body: JSON.stringify(mark),
  });
  assert.ok(answer.ok, await answer.clone().text());
  return answer.json();
}

/** What the page was told: each event's message, its wall clock's time by the manifest, and where the picture was, ms. */
const told = (page) => page.evaluate(() => window.told);

async function player() {
  const page = await chromium.newPage();
  await page.goto(`${server.base}/healthz`);
  await page.evaluate(() => { document.body.innerHTML = '<video muted autoplay playsinline style="width:640px"></video>'; });
  await page.addScriptTag({ content: fs.readFileSync(path.join(appFolder, "node_modules/dashjs/dist/modern/umd/dash.all.min.js"), "utf8") });
  await page.evaluate((scheme) => {
    [window.told, window.problems] = [[], []];
    const player = window.dashjs.MediaPlayer().create();
    player.on("error", ({ error }) => window.problems.push(`${error.code} ${error.message}`));
    const { EVENT_MODE_ON_START: mode } = window.dashjs.MediaPlayer.events;
    player.on(scheme, ({ event }) => window.told.push({
      mark: JSON.parse(event.messageData),
      duration: event.duration,
      at: event.calculatedPresentationTime * 1000,
      shown: document.querySelector("video").currentTime * 1000,
      utc: player.timeAsUTC() * 1000,
    }), null, { mode });
    player.initialize(document.querySelector("video"), "/dash/live/manifest.mpd", true);
    window.player = player;
  }, scheme);
  // Its place is set before it has anything to play, and once more if that took long: a mark from before it is not told.
  const time = () => page.evaluate(() => window.player.isReady() && document.querySelector("video").played.length > 0 && document.querySelector("video").currentTime);
  let from;
  await until("it plays", async () => {
    const now = await time();
    from ??= now || undefined;
    return from !== undefined && now > from + 0.5;
  }, { deadline: 40_000 });
  return page;
}

/** What a failure is told with: what was told, where the player is, and what it complained of. */
const state = async (page) => JSON.stringify(await page.evaluate(() => {
  const video = document.querySelector("video");
  return { told: window.told, problems: window.problems, at: video.currentTime, paused: video.paused, ready: video.readyState, live: window.player.getCurrentLiveLatency() };
}));

test("dash.js fires a mark's event when its time is shown, once, with what was said of it", limit, async (t) => {
  const page = await player();
  // What XML would read as its own must come through.
  const chapter = await set({ id: "it's <one> & „two“", class: "chapter", attributes: { "X-TITLE": "Häfen & Meer" } });
  const ad = await set({ id: "ad-7", class: "break", start_ms: chapter.start_ms + 1500, planned_duration: 30 });
  await until("both are told", async () => (await told(page)).length >= 2, { deadline: 30_000 }).catch(async (error) => { throw new Error(`${error.message}: ${await state(page)}`); });
  // Its end is another word on the same event, not another event.
  const ended = await set({ id: "ad-7", duration: 3 });
  const later = await set({ id: "later" });
  await until("what was set later is told", async () => (await told(page)).some(({ mark }) => mark.id === "later"), { deadline: 30_000 });
  const all = await told(page);
  t.diagnostic(all.map(({ mark, at, shown, utc }) => `${mark.id}: ${(shown - at).toFixed(0)} ms after its place, ${(utc - mark.start_ms).toFixed(0)} ms after its time`).join("; "));
  assert.deepEqual(all.map(({ mark }) => mark), [chapter, ad, later]);
  assert.equal(ended.duration, 3);
  assert.ok(Number.isNaN(all[0].duration) || all[0].duration === null, `${all[0].duration}`);
  assert.equal(all[1].duration, 30);
  for (const { at, shown, utc, mark } of all) {
    // dash.js looks ten times a second.
    assert.ok(shown >= at && shown - at < 500, `${mark.id} at ${at}, shown ${shown}`);
    assert.ok(Math.abs(utc - mark.start_ms) < 500, `${mark.id} at ${mark.start_ms}, shown at ${utc}`);
  }
  assert.deepEqual(await page.evaluate(() => window.problems), []);
  await page.close();
});

test("who comes while a mark lasts is told it, though it began before there was anything to read", limit, async () => {
  const begun = Date.now() - 60_000;
  const old = await set({ id: "old", start_ms: begun, planned_duration: 600 });
  const over = await set({ id: "over", start_ms: begun, duration: 1 });
  const page = await player();
  await until("it is told", async () => (await told(page)).some(({ mark }) => mark.id === old.id), { deadline: 30_000 });
  const all = await told(page);
  assert.ok(all.every(({ mark }) => mark.id !== over.id), JSON.stringify(all));
  const { at, shown, utc } = all.find(({ mark }) => mark.id === old.id);
  assert.ok(Math.abs((shown - at) - (utc - begun)) < 500, `${shown - at} ms after its place, ${utc - begun} ms after its time`);
  await page.close();
});
