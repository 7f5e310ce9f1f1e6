// The list of destinations in the real window: added, tested, live together with this computer's own server, broken and
// back, switched off one by one. The far end is ffmpeg, and what it received is decoded.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { choose, click, fill } from "../rigs/hands.mjs";
import { freePort, isHeld } from "../rigs/pages.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder, systems, talk } from "../rigs/programs.mjs";
import { noSound } from "../rigs/sound.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
let display, pattern, app, listener, port, folder;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  folder = freshFolder("destinations");
  port = await freePort();
  pattern = await startPattern(display, { width: 640, height: 360, x: 1300, y: 20, content: "cells", title: "Tide pattern" });
  app = await startApp(display, { sound: noSound(folder), settings: settings({ video: { ...video720, width: 640, height: 360, kbps: 1000 } }) });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, listener, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

function listen(file) {
  const url = `rtmp://127.0.0.1:${port}/live/name`;
  return talk(systems("ffmpeg"), ["-v", "error", "-y", "-listen", "1", "-i", url, "-c", "copy", file]);
}

const stateOf = (id) => app.page.evaluate((name) => document.querySelector(`[data-testid="destination-${name}"]`)?.dataset.state, id);
const saved = async () => (await app.bootstrap()).settings.destinations[0];

test("a destination is added, and a test says what is wrong with it", limit, async () => {
  await click(app.page, "destination-list");
  await click(app.page, "destination-add");
  await choose(app.page, "destination-service", "custom");
  await fill(app.page, "destination-name", "Rig");
  await fill(app.page, "destination-url", `rtmp://127.0.0.1:${port}/live`);
  await fill(app.page, "destination-key", "name");
  await click(app.page, "destination-test");
  const code = await until("the test's answer", () =>
    app.page.evaluate(() => document.querySelector('[data-testid="destination-test-bad"]')?.dataset.code));
  assert.equal(code, "address_unreachable");
  listener = listen(path.join(folder, "test.mkv"));
  await until("the server listens", () => isHeld("tcp", port));
  await click(app.page, "destination-test");
  await until("it passes the test", () => app.visible("destination-test-good"));
  assert.equal((await app.bootstrap()).state.publish.kind, "idle", "a test is no stream");
  await listener.stop();
  await click(app.page, "destination-save");
  const kept = await until("it is in the list", saved);
  assert.deepEqual([kept.name, kept.hasKey, kept.on], ["Rig", true, true]);
});

test("it goes live together with this computer, breaks alone, and comes back", limit, async () => {
  const { id } = await saved();
  listener = listen(path.join(folder, "first.mkv"));
  // Not the screen: while the window films itself, its figures rest.
  await app.choose("Tide pattern");
  await click(app.page, "start");
  await click(app.page, "go-live");
  await until("both are live", async () => (await stateOf(id)) === "live" && (await stateOf("local")) === "live", { deadline: 30_000 });
  await until("bits are sent there", () => app.page.evaluate((name) => {
    const last = window.tidecastSeen.stats.slice(-1)[0];
    return last.destinations.some((each) => each.id === name && each.sentKbps > 50);
  }, id));
  await until("they are drawn, second by second", () => app.page.evaluate((name) => {
    const line = document.querySelector(`[data-testid="sparkline-${name}"] path`);
    return line && (line.getAttribute("d").match(/L/g) || []).length >= 2;
  }, id));
  await listener.stop();
  await until("it says that it reconnects", async () => (await stateOf(id)) === "reconnecting");
  assert.equal(await stateOf("local"), "live", "the other one goes on");
  const tries = async (from = 0) => (await app.seen()).states.slice(from).flatMap((state) => state.destinations)
    .filter((each) => each.id === id && each.state.kind === "reconnecting").map((each) => each.state.attempt);
  await until("it has been tried three times", async () => (await tries()).includes(3), { deadline: 30_000 });
  const before = (await app.seen()).states.length;
  await click(app.page, `destination-retry-${id}`);
  await until("tried now, the count begins anew", async () => (await tries(before)).includes(1));
  listener = listen(path.join(folder, "second.mkv"));
  await until("it is live again", async () => (await stateOf(id)) === "live", { deadline: 30_000 });
  const shot = process.env.TIDECAST_SHOT;
  if (shot) await app.page.screenshot({ path: shot });
});

test("it is switched off alone, and what was received can be decoded", limit, async () => {
  const { id } = await saved();
  // Enough to decode: three seconds in which bits left for it since it came back.
  const before = (await app.seen()).stats.length;
  await until("three seconds have been sent", async () => {
    const stats = (await app.seen()).stats.slice(before);
    return stats.filter((each) => each.destinations.some((one) => one.id === id && one.sentKbps > 50)).length >= 3;
  }, { deadline: 30_000 });
  await click(app.page, `destination-on-${id}`);
  await until("it rests", async () => (await stateOf(id)) === "idle");
  assert.equal(await stateOf("local"), "live");
  await until("ffmpeg has ended", () => listener.ended());
  const file = path.join(folder, "second.mkv");
  const frames = execFileSync(systems("ffprobe", "ffmpeg"), ["-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames,width,height", "-of", "csv=p=0", file], { encoding: "utf8" });
  const [width, height, count] = frames.trim().split(",").map(Number);
  assert.deepEqual([width, height], [640, 360]);
  assert.ok(count > 20, `${count} pictures`);
  await click(app.page, "end-live");
  await until("nothing runs", async () => (await app.bootstrap()).state.destinations.every((each) => each.state.kind === "idle"));
  assert.equal(await stateOf("local"), undefined, "this computer is in the list only while it is live");
});
