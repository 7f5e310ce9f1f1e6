// A second, upright canvas in the real window: its cost is said, it is added, given a destination, live beside the main one,
// brought back after the engine's death, and removed. The far end is ffmpeg; what it received is decoded.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";
import { settings, startApp } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { choose, click, fill } from "../rigs/hands.mjs";
import { freePort, isHeld } from "../rigs/pages.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder, systems, talk } from "../rigs/programs.mjs";
import { noSound } from "../rigs/sound.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
const red = [192, 32, 32];
const blue = [32, 96, 192];
let display, pattern, app, listener, folder, port;

const half = (id, source, y) => ({
  id, name: source, source, x: 0, y, width: 1080, height: 960, fit: "stretch",
  crop: { left: 0, top: 0, right: 0, bottom: 0 }, rotation: 0, opacity: 1, visible: true,
});
const tall = { name: "Tall scene", canvas: { width: 1080, height: 1920 }, items: [half("1", "color:c02020ff", 0), half("2", "color:2060c0ff", 960)] };

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  folder = freshFolder("canvases");
  port = await freePort();
  pattern = await startPattern(display, { width: 320, height: 180, x: 1300, y: 20, content: "cells", title: "Tide pattern" });
  app = await startApp(display, {
    sound: noSound(folder),
    settings: settings({
      video: { width: 320, height: 180, fps: 15, kbps: 600, gopSeconds: 2 },
      destination: "list", localInList: false, destinations: [], scenes: [tall],
    }),
  });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, listener, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

const canvas = async () => (await app.bootstrap()).state?.canvases[0];
const saved = async () => (await app.bootstrap()).settings.destinations[0];
const stateOf = (id) => app.page.evaluate((name) => document.querySelector(`[data-testid="destination-${name}"]`)?.dataset.state, id);

test("an upright canvas is added, what it costs is said before, and it is live beside the main one", limit, async () => {
  await app.capture("Tide pattern");
  await click(app.page, "canvas-add");
  await fill(app.page, "canvas-name", "Upright");
  await choose(app.page, "canvas-shows", "scene:Tall scene");
  await fill(app.page, "canvas-short", 180);
  await fill(app.page, "canvas-fps", 15);
  await fill(app.page, "canvas-kbps", 400);
  const said = await until("its cost", () => app.text("canvas-cost"));
  assert.match(said, /Costs about 0\.\d\d of \d+ cores/);
  const shot = process.env.TIDECAST_SHOT;
  if (shot) await app.page.screenshot({ path: `${shot}-form.png` });
  await click(app.page, "canvas-save");
  // A machine that builds something else besides may have no room: the app says so and takes it all the same.
  await until("it is taken", async () => {
    if (await app.visible("canvas-anyway")) await click(app.page, "canvas-anyway");
    return (await canvas())?.live;
  }, { deadline: 30_000 });
  const { settings: size, problem, scene } = await canvas();
  assert.deepEqual([size.width, size.height, scene], [180, 320, "Tall scene"]);
  assert.ok(problem === undefined || problem === null);
  assert.equal((await app.bootstrap()).state.capture.kind, "capturing");
});

test("it follows its scene, and what the main canvas shows is not captured twice", limit, async () => {
  const { video } = await app.sources();
  const { lastingId, id } = video.find((source) => source.title === "Tide pattern");
  assert.notEqual(lastingId, id, "a window has two names");
  const corner = { ...half("3", lastingId, 800), x: 800, width: 280, height: 160 };
  const scenes = [{ ...tall, items: [...tall.items, corner] }];
  await app.page.evaluate((changed) => window.tidecast.changeSettings({ scenes: changed }), scenes);
  const sources = await until("all that is shown is captured", async () => {
    const { sources: captured } = (await app.bootstrap()).state;
    return captured.length === 3 && captured;
  });
  assert.deepEqual(sources.map((source) => source.id).sort(), ["color:2060c0ff", "color:c02020ff", id].sort());
});

test("it has a destination of its own, which gets its picture and not the main one", limit, async () => {
  await click(app.page, "destination-add");
  await choose(app.page, "destination-service", "custom");
  await choose(app.page, "destination-kind", "mpeg_ts");
  await fill(app.page, "destination-name", "Telephones");
  await fill(app.page, "destination-url", `tcp://127.0.0.1:${port}`);
  await choose(app.page, "destination-canvas", "Upright");
  await click(app.page, "destination-save");
  const { id, canvas: takes } = await until("it is in the list", saved);
  assert.equal(takes, (await canvas()).id);
  const file = path.join(folder, "tall.mkv");
  const input = ["-f", "mpegts", "-i", `tcp://127.0.0.1:${port}?listen=1`];
  listener = talk(systems("ffmpeg"), ["-v", "error", "-nostdin", "-y", ...input, "-map", "0:v", "-c", "copy", file]);
  await until("ffmpeg listens", () => isHeld("tcp", port));
  await click(app.page, "go-live");
  await until("it is live", async () => (await stateOf(id)) === "live", { deadline: 30_000 });
  await until("its figures are shown", async () => /15 fps|14 fps|1\d fps/.test((await app.text(`canvas-figures-${takes}`)) ?? ""), { deadline: 30_000 });
  const sent = async () => (await app.seen()).stats.filter((each) => each.destinations.some((one) => one.id === id && one.sentKbps > 10)).length;
  await until("three seconds have been sent", async () => (await sent()) >= 3, { deadline: 30_000 });
  const shot = process.env.TIDECAST_SHOT;
  if (shot) await app.page.screenshot({ path: `${shot}-live.png` });
  await click(app.page, "end-live");
  await until("ffmpeg has ended", () => listener.ended());
  const probe = ["-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0", file];
  assert.equal(execFileSync(systems("ffprobe", "ffmpeg"), probe, { encoding: "utf8" }).trim(), "180,320");
  const raw = ["-v", "fatal", "-i", file, "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
  const pictures = execFileSync(systems("ffmpeg"), raw, { maxBuffer: 1e9 });
  const bytes = 180 * 320 * 3;
  assert.ok(pictures.length >= bytes * 20, `${pictures.length / bytes} pictures`);
  for (const [y, wanted] of [[80, red], [240, blue]]) {
    const at = pictures.length - bytes + (y * 180 + 90) * 3;
    const seen = [...pictures.subarray(at, at + 3)];
    assert.ok(seen.every((value, index) => Math.abs(value - wanted[index]) <= 6), `${seen} at ${y} instead of ${wanted}`);
  }
});

test("an engine that died comes back with it, and removed it is gone from its destination, too", limit, async () => {
  const { id } = await canvas();
  const before = (await app.seen()).states.length;
  process.kill(app.hosts()[0], "SIGKILL");
  await until("it is live again", async () => (await app.seen()).states.slice(before).some((state) => state.canvases.some((each) => each.live)), { deadline: 60_000 });
  await until("the engine runs", async () => (await app.bootstrap()).host.kind === "running");
  await click(app.page, `canvas-edit-${id}`);
  await click(app.page, "canvas-remove");
  await until("it is gone", async () => (await app.bootstrap()).settings.canvases.length === 0 && (await canvas()) === undefined);
  const left = await saved();
  assert.equal(left.canvas ?? undefined, undefined, "its destination takes the main canvas");
  assert.equal((await app.bootstrap()).state.capture.kind, "capturing");
});
