// The server's page of recordings: listed, played by hls.js in Chromium from its first picture to its last.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { startDisplay } from "../rigs/display.mjs";
import { freePort } from "../rigs/pages.mjs";
import { freshFolder, stop, systems } from "../rigs/programs.mjs";
import { publishKey, startServer, viewToken } from "../rigs/servers.mjs";
import { startChromium } from "../rigs/viewer.mjs";
import { until } from "../rigs/wait.mjs";

const SECONDS = 14;
let display, server, chromium, publisher;

before(async () => {
  const rtmp = await freePort();
  const more = `[rtmp]\nlisten = "127.0.0.1:${rtmp}"\n[publishing]\ngrace_seconds = 0\n[recording.disk]\nfolder = "${freshFolder("recordings")}"\n`;
  [display, server] = await Promise.all([startDisplay({ width: 1280, height: 900 }), startServer({ more })]);
  // Red, then blue: the first picture and the last can be told apart.
  const pictures = `color=c=red:s=640x360:r=30:d=${SECONDS / 2},format=yuv420p[r];color=c=blue:s=640x360:r=30:d=${SECONDS / 2},format=yuv420p[b];[r][b]concat=n=2`;
  publisher = spawn(
    systems("ffmpeg"),
    ["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", `sine=440:d=${SECONDS}`, "-filter_complex", `${pictures},realtime[v]`, "-map", "[v]", "-map", "0:a"]
      .concat(["-c:v", "libx264", "-tune", "zerolatency", "-bf", "0", "-g", "30", "-c:a", "aac", "-f", "flv", `rtmp://127.0.0.1:${rtmp}/live/${publishKey}`]),
    { stdio: "ignore" },
  );
  chromium = await startChromium(display, { width: 1100, height: 860 });
}, { timeout: 60_000 });

after(async () => {
  if (publisher) await stop(publisher);
  for (const rig of [chromium && { stop: chromium.close }, server, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

/** The middle of what the video shows, as [red, green, blue]. */
function colour(page) {
  return page.evaluate(() => {
    const video = document.querySelector("video");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [8, 8];
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, 8, 8);
    return [...context.getImageData(4, 4, 1, 1).data].slice(0, 3);
  });
}

test("a recording is listed, played to its end, and shown to nobody without the token", { timeout: 120_000 }, async (t) => {
  const list = () => fetch(`${server.base}/api/v1/recordings`, { headers: { authorization: `Bearer ${viewToken}` } }).then((answer) => answer.json());
  const [ended] = await until("the recording has ended", async () => {
    const all = await list();
    return all.length === 1 && !all[0].open && all;
  }, { deadline: 60_000 });
  assert.ok(ended.duration_ms > (SECONDS - 3) * 1000, JSON.stringify(ended));
  const page = await chromium.firstPage();
  await page.goto(`${server.base}/recordings`);
  await until("nothing is shown without the token", () => page.evaluate(() => document.getElementById("said").textContent !== "" && document.querySelectorAll("#list button").length === 0));
  await page.goto(`${server.base}/recordings#token=${viewToken}`);
  await page.waitForSelector("#list button");
  assert.match(await page.textContent("#list button"), /640×360/);
  await page.click("#list button");
  const position = () => page.evaluate(() => ({ at: document.querySelector("video").currentTime, length: document.querySelector("video").duration, ended: document.querySelector("video").ended }));
  await until("it plays", async () => (await position()).at > 1, { deadline: 30_000 });
  const [red, , blue] = await colour(page);
  assert.ok(red > 150 && blue < 100, `the beginning is red: ${red}, ${blue}`);
  const { length } = await position();
  assert.ok(Math.abs(length - ended.duration_ms / 1000) < 0.5, `${length} s of ${ended.duration_ms} ms`);
  if (process.env.TIDECAST_SHOT) await page.screenshot({ path: `${process.env.TIDECAST_SHOT}/recordings.png` });
  await page.evaluate(() => { const video = document.querySelector("video"); video.currentTime = video.duration - 2; });
  await until("it ends", async () => (await position()).ended, { deadline: 30_000 });
  const [, , last] = await colour(page);
  assert.ok(last > 150, `the end is blue: ${last}`);
  t.diagnostic(`${length.toFixed(2)} s`);
});
