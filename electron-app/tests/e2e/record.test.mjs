// Recording and replay in the real window: what the buttons wrote is read back with ffprobe and ffmpeg.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { settings, startApp } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { assertBars, startPattern } from "../rigs/pattern.mjs";
import { playInChromium } from "../rigs/plays.mjs";
import { freshFolder, systems } from "../rigs/programs.mjs";
import { noSound } from "../rigs/sound.mjs";
import { startChromium } from "../rigs/viewer.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
const size = { width: 640, height: 360 };
let display, pattern, app, folder, takes;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  folder = freshFolder("record");
  takes = path.join(folder, "takes");
  fs.mkdirSync(takes);
  pattern = await startPattern(display, { ...size, x: 1300, y: 20, content: "cells", title: "Tide pattern" });
  app = await startApp(display, {
    sound: noSound(folder),
    settings: settings({
      video: { ...size, fps: 30, kbps: 1500, gopSeconds: 1 },
      recording: { folder: takes, format: "mp4", plain: true, splitMinutes: 0, splitMib: 0, replay: false, replaySeconds: 10 },
    }),
  });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

const state = async () => (await app.bootstrap()).state;
const saved = async (from) => (await app.seen()).notices.slice(from).find((notice) => notice.kind === "saved");
const notices = async () => (await app.seen()).notices.length;

async function shot(name) {
  const place = process.env.TIDECAST_SHOT;
  if (place) await app.page.screenshot({ path: path.join(place, `${name}.png`) });
}

function probe(file) {
  const text = execFileSync(systems("ffprobe", "ffmpeg"), ["-v", "error", "-show_streams", "-show_format", "-show_chapters", "-of", "json", file], { encoding: "utf8" });
  const { streams, format, chapters } = JSON.parse(text);
  const of = (kind) => streams.find((each) => each.codec_type === kind);
  return { video: of("video"), audio: of("audio"), duration: Number(format.duration), chapters };
}

/** The bars of one decoded picture, RGB. */
function colours(file, second) {
  const raw = execFileSync(systems("ffmpeg"), ["-v", "error", "-ss", String(second), "-i", file, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], { maxBuffer: 1e8 });
  assert.equal(raw.length, size.width * size.height * 3, "one picture was decoded");
  return Array.from({ length: 8 }, (_, bar) => {
    const x = Math.round(((bar * 2 + 1) / 16) * size.width);
    const y = Math.round((22 / 64) * size.height);
    const at = (y * size.width + x) * 3;
    return [...raw.subarray(at, at + 3)];
  });
}

test("six seconds are recorded, paused by nobody, and the file says so", limit, async () => {
  await app.capture("Tide pattern", { preview: false });
  const from = await notices();
  await app.click("record");
  const { file } = await until("it records", async () => (await state()).recording);
  await until("a second is written", async () => ((await app.lastStats())?.recording?.durationMs ?? 0) >= 1000);
  await app.click("record-chapter");
  const stats = await until("six seconds are written", async () => {
    const { recording } = (await app.lastStats()) ?? {};
    return recording && recording.durationMs >= 6000 && recording;
  }, { deadline: 30_000 });
  assert.ok(stats.bytes > 10_000, `${stats.bytes} bytes`);
  assert.ok(await app.visible("record-time"));
  await shot("recording");
  await app.click("record");
  await until("it is saved", () => saved(from));
  assert.equal((await saved(from)).file, file);
  assert.equal(path.dirname(file), takes);
  await until("a toast offers the folder", () => app.visible("show-saved"));
  const { video, duration, chapters } = probe(file);
  assert.deepEqual([video.codec_name, video.width, video.height], ["h264", size.width, size.height]);
  // The figures come each second, and the stop is a click later than the last of them.
  assert.ok(duration >= stats.durationMs / 1000 - 1 && duration <= stats.durationMs / 1000 + 3, `${duration} s, shown ${stats.durationMs} ms`);
  assert.equal(chapters.length > 0, true, "the chapter mark is in the file");
  assertBars(colours(file, 3), 12);
});

test("Chromium plays a plain and a fragmented recording to the end, and seeks", limit, async () => {
  const chromium = await startChromium(display, { x: 0, y: 500 });
  try {
    for (const plain of [true, false]) {
      const changed = await app.page.evaluate((value) => window.tidecast.changeRecording({ plain: value }), plain);
      assert.equal(changed.ok, true);
      const from = await notices();
      await app.click("record");
      await until("five seconds are written", async () => ((await app.lastStats())?.recording?.durationMs ?? 0) >= 5000, { deadline: 30_000 });
      await app.click("record");
      const { file } = await until("it is saved", () => saved(from));
      const played = await playInChromium(chromium, file);
      const what = `plain: ${plain}, ${JSON.stringify(played)}`;
      assert.deepEqual(played.complaints, [], what);
      assert.deepEqual([played.width, played.height], [size.width, size.height], what);
      assert.ok(Math.abs(played.duration - probe(file).duration) < 0.2, what);
      assert.ok(played.frames >= 100, what);
      assert.equal(played.sound > 0, probe(file).audio !== undefined, what);
      assert.ok(Math.abs(played.soughtTo - played.duration / 2) < 0.1, what);
    }
  } finally {
    await chromium.close();
  }
});

test("a pause leaves its time out, and the duration in the window is the file's", limit, async () => {
  const from = await notices();
  await app.page.keyboard.press("Control+Shift+R");
  await until("three seconds", async () => ((await app.lastStats())?.recording?.durationMs ?? 0) >= 3000, { deadline: 20_000 });
  await app.click("record-pause");
  await until("it is paused", async () => (await state()).recording?.paused);
  await app.nextStats(4);
  const shown = (await app.lastStats()).recording.durationMs / 1000;
  await app.page.keyboard.press("Control+Shift+R");
  const { file } = await until("it is saved", () => saved(from));
  const { duration } = probe(file);
  assert.ok(Math.abs(duration - shown) <= 1, `${duration} s, shown ${shown} s`);
});

test("the last seconds are saved while nothing is recorded", limit, async () => {
  await app.click("replay");
  await until("the buffer is on", async () => (await state()).replay);
  assert.equal((await app.bootstrap()).settings.recording.replay, true, "it is remembered");
  const kept = await until("four seconds are kept", async () => {
    const ms = (await app.lastStats())?.replay?.durationMs ?? 0;
    return ms >= 4000 && ms;
  }, { deadline: 30_000 });
  await shot("replay");
  const from = await notices();
  await app.click("replay-save");
  const { file } = await until("it is saved", () => saved(from));
  const { video, duration } = probe(file);
  assert.deepEqual([video.codec_name, video.width, video.height], ["h264", size.width, size.height]);
  assert.ok(duration >= kept / 1000 - 1.5 && duration <= 13, `${duration} s, kept ${kept} ms`);
  assertBars(colours(file, 1), 12);
});

test("hot keys record and save the replay whatever has the keyboard", limit, async () => {
  await app.click("keys");
  for (const [act, keys, kept] of [["record", "Control+Alt+5", "CommandOrControl+Alt+5"], ["save_replay", "F9", "F9"], ["reconnect", "Control+Alt+6", "CommandOrControl+Alt+6"]]) {
    await app.click(`act-key-${act}`);
    await app.page.keyboard.press(keys);
    await until(`the key for ${act} is kept`, async () => (await app.bootstrap()).settings.actKeys?.some((key) => key.act === act && key.keys === kept));
  }
  await shot("keys");
  await app.page.keyboard.press("Escape");
  // At the X server, to no window of ours.
  let from = await notices();
  await display.xdotool("key", "F9");
  const replay = await until("the replay is saved", () => saved(from));
  assert.ok(probe(replay.file).duration > 1);
  from = await notices();
  await display.xdotool("key", "ctrl+alt+5");
  await until("it is recorded", async () => ((await app.lastStats())?.recording?.durationMs ?? 0) >= 2000, { deadline: 20_000 });
  await display.xdotool("key", "ctrl+alt+5");
  const recorded = await until("the recording is saved", () => saved(from));
  assert.ok(probe(recorded.file).duration >= 1.5);
  await display.xdotool("key", "ctrl+alt+6");
  await until("what can't be done is said", async () => (await app.toasts()).some((text) => text.includes("not possible now")));
});

test("an engine that dies while it records says that the recording ended, and its file can be played", limit, async () => {
  await app.click("record");
  const { file } = await until("it records", async () => (await state()).recording);
  await until("four seconds", async () => ((await app.lastStats())?.recording?.durationMs ?? 0) >= 4000, { deadline: 20_000 });
  process.kill(app.hosts()[0], "SIGKILL");
  const told = await until("it is told", async () => (await app.seen()).notices.find((notice) => notice.kind === "recording_interrupted"), { deadline: 20_000 });
  assert.equal(told.file, file);
  await until("the capture is back, the replay too, and no recording", async () => {
    const now = await state();
    return now?.capture.kind === "capturing" && now.replay && !now.recording;
  }, { deadline: 20_000 });
  assertBars(colours(file, 1), 12);
});

test("quitting while recording asks first", limit, async () => {
  const from = await notices();
  await app.click("record");
  await until("it records", async () => (await state()).recording);
  await until("a second is written", async () => ((await app.lastStats())?.recording?.durationMs ?? 0) >= 1000, { deadline: 20_000 });
  await app.app.evaluate(({ app: its }) => its.quit());
  await until("it asks", () => app.visible("quit-dialog"));
  await shot("quit");
  await app.click("quit-cancel");
  await app.click("record");
  await until("it went on, and is saved", () => saved(from));
});

test("a folder that is gone is told by its code, and the capture goes on", limit, async () => {
  fs.rmSync(takes, { recursive: true });
  await app.click("record");
  await until("the code is told", () => app.page.evaluate(() => Boolean(document.querySelector('[data-code="record_folder_gone"]'))));
  await shot("gone");
  const now = await state();
  assert.equal(now.recording, undefined);
  assert.equal(now.capture.kind, "capturing");
  assert.ok((await app.nextStats(2)).every((stats) => stats.fpsEncoded > 0), "pictures are encoded as before");
});
