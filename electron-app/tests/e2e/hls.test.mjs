// The second way to the picture: what the real app streams, out of its live server by LL-HLS (the viewer's page, hls.js),
// by plain HLS, by DASH (dash.js) and by HTTP-FLV (mpegts.js), in Chromium. Pictures are read back and dated.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { app as appFolder } from "../../scripts/lib/paths.mjs";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { installReader, startPattern, summary } from "../rigs/pattern.mjs";
import { installEar, startSound } from "../rigs/sound.mjs";
import { startChromium, whepOf } from "../rigs/viewer.mjs";
import { pause, percentile, until, wallClock } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
let display, viewerDisplay, sound, viewerSound, pattern, app, viewUrl;
const browsers = [];

before(async () => {
  [display, viewerDisplay, sound, viewerSound] = await Promise.all([
    startDisplay({ width: 2600, height: 1100 }),
    startDisplay({ width: 1280, height: 900 }),
    startSound(),
    startSound(),
  ]);
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, content: "bars", title: "Tide pattern" });
  app = await startApp(display, { sound: sound.env, settings: settings({ video: video720, audio: { systemSound: true, microphone: "default" } }) });
  await app.choose("Tide pattern");
  await app.click("start");
  viewUrl = await app.goLive();
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [...browsers.map((each) => ({ stop: each.close })), app, pattern, sound, viewerSound, viewerDisplay, display]) {
    await Promise.resolve(rig?.stop()).catch(() => {});
  }
});

async function browser(options) {
  const chromium = await startChromium(viewerDisplay, { sound: viewerSound.env, width: 1200, height: 850, ...options });
  browsers.push(chromium);
  return chromium;
}

/** How old pictures are when they are shown, watched for `ms` after the first has come. */
async function ages(page, ms = 8000) {
  await page.evaluate(installReader, { selector: "video", content: "bars" });
  const opened = wallClock();
  await until("a picture", () => page.evaluate(() => window.tidecastPattern.latest()?.stamp), { deadline: 30_000 });
  // Players settle at their distance.
  await pause(4000);
  await page.evaluate(() => window.tidecastPattern.take());
  await pause(ms);
  const found = summary(await page.evaluate(() => window.tidecastPattern.take()));
  return { ...found, p50: percentile(found.latencies, 0.5), p95: percentile(found.latencies, 0.95), waited: wallClock() - opened };
}

function say(t, name, { p50, p95, fps, longestGap }) {
  t.diagnostic(`${name}: p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms, ${fps.toFixed(1)} unique pictures a second, longest gap ${longestGap.toFixed(0)} ms`);
}

test("where no WebRTC gets through, the page plays LL-HLS by itself, glass to glass within 3 s, and says so", limit, async (t) => {
  // The server's media ports can't be reached, as behind the firewalls of schools and offices. (Chromium's own policy
  // against UDP lets loopback through.)
  const chromium = await browser();
  const page = await chromium.firstPage();
  await page.addInitScript(() => {
    const take = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
      return take.call(this, { type, sdp: sdp.replace(/a=candidate:[^\n]*\n/g, "") });
    };
  });
  await page.goto(viewUrl);
  const said = () => page.evaluate(() => `${document.querySelector("#f-path").textContent}: ${document.querySelector("#log").innerText}`);
  await until("LL-HLS plays", () => page.evaluate(() => document.querySelector("#f-path").textContent === "LL-HLS"), { deadline: 40_000 })
    .catch(async (error) => { throw new Error(`${error.message}; the page says ${await said()}`); });
  const found = await ages(page);
  say(t, "LL-HLS", found);
  assert.ok(found.p50 <= 3000, `${found.p50} ms`);
  assert.ok(found.fps > 15 && found.unreadable < found.frames / 20, JSON.stringify({ ...found, latencies: 0 }));
  await page.evaluate(() => document.querySelector("#unmute").click());
  await page.evaluate(installEar, { selector: "#video", beepHz: 1000 });
  const heard = (await page.evaluate(() => window.tidecastEar.onsets())).length;
  await sound.beep("speaker", 1000, 0.3);
  await until("the beep", () => page.evaluate((n) => window.tidecastEar.onsets()[n], heard), { deadline: 10_000 });
  assert.equal(await page.evaluate(() => document.documentElement.dataset.state), "live");
  await chromium.close();
});

test("with WebRTC the page says so", limit, async () => {
  const chromium = await browser();
  const page = await chromium.firstPage();
  await page.goto(viewUrl);
  await until("WebRTC plays", () => page.evaluate(() => document.querySelector("#f-path").textContent === "WebRTC"), { deadline: 30_000 });
  await chromium.close();
});

/** A page of the server's own with nothing in it but a player. */
async function emptyPage(chromium, library) {
  const page = await chromium.firstPage();
  const { origin } = new URL(viewUrl);
  await page.goto(`${origin}/healthz`);
  await page.evaluate(() => { document.body.innerHTML = '<video muted autoplay playsinline style="width:960px"></video>'; });
  await page.addScriptTag({ content: fs.readFileSync(path.join(appFolder, "node_modules", library), "utf8") });
  return page;
}

test("hls.js plays plain HLS", limit, async (t) => {
  const chromium = await browser();
  const page = await emptyPage(chromium, "hls.js/dist/hls.min.js");
  await page.evaluate(({ token }) => {
    const { Hls } = window;
    window.problems = [];
    const player = new Hls({ lowLatencyMode: false, xhrSetup: (request) => request.setRequestHeader("Authorization", `Bearer ${token}`) });
    player.on(Hls.Events.ERROR, (_, data) => window.problems.push(`${data.details} ${data.fatal}`));
    player.loadSource("/hls/live/index.m3u8");
    player.attachMedia(document.querySelector("video"));
  }, whepOf(viewUrl));
  const found = await ages(page);
  say(t, "HLS", found);
  t.diagnostic(`hls.js complains: ${JSON.stringify(await page.evaluate(() => window.problems))}`);
  assert.ok(found.p50 <= 15_000 && found.fps > 15, JSON.stringify({ ...found, latencies: 0 }));
  await chromium.close();
});

test("dash.js plays DASH from the same chunks", limit, async (t) => {
  const chromium = await browser();
  const page = await emptyPage(chromium, "dashjs/dist/modern/umd/dash.all.min.js");
  await page.evaluate(({ token }) => {
    window.problems = [];
    const player = window.dashjs.MediaPlayer().create();
    player.addRequestInterceptor((request) => {
      request.headers = { ...request.headers, authorization: `Bearer ${token}` };
      return Promise.resolve(request);
    });
    player.on("error", ({ error }) => window.problems.push(`${error.code} ${error.message}`));
    player.initialize(document.querySelector("video"), "/dash/live/manifest.mpd", true);
    window.player = player;
  }, whepOf(viewUrl));
  const found = await ages(page);
  say(t, "DASH", found);
  assert.deepEqual(await page.evaluate(() => window.problems), []);
  assert.ok(found.p50 <= 10_000 && found.fps > 15, JSON.stringify({ ...found, latencies: 0 }));
  await chromium.close();
});

test("mpegts.js plays HTTP-FLV, and the same over a WebSocket", limit, async (t) => {
  for (const [name, scheme] of [["HTTP-FLV", "http"], ["FLV over a WebSocket", "ws"]]) {
    const chromium = await browser();
    const page = await emptyPage(chromium, "mpegts.js/dist/mpegts.js");
    await page.evaluate(({ token, scheme }) => {
      const { mpegts } = window;
      window.problems = [];
      const url = `${scheme}://${location.host}/live/live.flv?token=${encodeURIComponent(token)}`;
      const player = mpegts.createPlayer({ type: "flv", isLive: true, url }, { enableStashBuffer: false, liveSync: true });
      player.on(mpegts.Events.ERROR, (...what) => window.problems.push(what.slice(0, 2).join(" ")));
      player.attachMediaElement(document.querySelector("video"));
      player.load();
      player.play();
    }, { ...whepOf(viewUrl), scheme });
    const found = await ages(page);
    say(t, name, found);
    assert.deepEqual(await page.evaluate(() => window.problems), []);
    assert.ok(found.p50 <= 5_000 && found.fps > 15, JSON.stringify({ ...found, latencies: 0 }));
    await chromium.close();
  }
});

test("a playlist that is not there is asked for at leisure", limit, async (t) => {
  const page = await (await browser()).firstPage();
  let asked = 0;
  await page.route("**/index.m3u8*", (route) => {
    asked += 1;
    return route.fulfill({ status: 404 });
  });
  const address = new URL(viewUrl);
  address.searchParams.set("path", "hls");
  await page.goto(address.href);
  await until("the page says that nobody streams", () => page.evaluate(() => document.documentElement.dataset.state === "offline"));
  const before = asked;
  await pause(3000);
  t.diagnostic(`asked ${asked - before} times in three seconds`);
  // Once a second, as the figures say that there is a stream.
  assert.ok(asked - before <= 6, `${asked - before} times`);
});

test("a server that is away for a moment sends no viewer of WebRTC to the files", limit, async () => {
  const page = await (await browser()).firstPage();
  await page.goto(viewUrl);
  const says = (path) => page.evaluate((path) => document.querySelector("#f-path").textContent === path && document.documentElement.dataset.state === "live", path);
  await until("WebRTC plays", () => says("WebRTC"), { deadline: 30_000 });
  const told = () => page.evaluate(() => document.querySelector("#log").textContent);
  for (let time = 0; time < 3; time += 1) {
    const [host] = app.hosts();
    const lines = (await told()).length;
    process.kill(host, "SIGKILL");
    await until("the page has missed the server", async () => (await told()).length > lines, { every: 20, deadline: 30_000 });
    await until("a new engine host", () => app.hosts().some((each) => each !== host), { deadline: 30_000 });
    await until("a picture by either way", async () => (await says("WebRTC")) || says("LL-HLS"), { deadline: 60_000 });
    assert.ok(!(await told()).includes("WebRTC does not get through"), await told());
  }
});
