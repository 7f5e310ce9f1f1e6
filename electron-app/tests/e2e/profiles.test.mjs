// Profiles of destinations in the real window: kept, picked, and single ones switched off and on again while live. The far
// ends are ffmpeg; what each received is decoded and compared with the recording, picture by picture: whoever stays on
// loses none.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";
import { settings, startApp } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { choose, click, fill } from "../rigs/hands.mjs";
import { freePort } from "../rigs/pages.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder, systems, talk } from "../rigs/programs.mjs";
import { noSound } from "../rigs/sound.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 180_000 };
const size = { width: 640, height: 360 };
const [stays, changes] = ["stays", "changes"];
let display, pattern, app, folder, ports;
const listeners = [];

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  folder = freshFolder("profiles");
  ports = { [stays]: await freePort(), [changes]: await freePort() };
  pattern = await startPattern(display, { ...size, x: 1300, y: 20, content: "cells", title: "Tide pattern" });
  app = await startApp(display, {
    sound: noSound(folder),
    settings: settings({
      video: { ...size, fps: 30, kbps: 1000, gopSeconds: 2 },
      destination: "list",
      localInList: false,
      destinations: [
        { id: stays, name: "Stays", kind: "rtmp", url: `rtmp://127.0.0.1:${ports[stays]}/live/name`, on: true },
        { id: changes, name: "Changes", kind: "mpeg_ts", url: `tcp://127.0.0.1:${ports[changes]}`, on: true },
      ],
      recording: { folder, format: "mkv", plain: false, splitMinutes: 0, splitMib: 0, replay: false, replaySeconds: 10 },
    }),
  });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, ...listeners, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

/** A server for one of them that keeps what comes until the sender goes. */
function listen(id, name) {
  const file = path.join(folder, name);
  const input = id === stays ? ["-listen", "1", "-i", `rtmp://127.0.0.1:${ports[id]}/live/name`] : ["-f", "mpegts", "-i", `tcp://127.0.0.1:${ports[id]}?listen=1`];
  const listener = talk(systems("ffmpeg"), ["-v", "error", "-nostdin", "-y", ...input, "-map", "0:v", "-c", "copy", file]);
  listeners.push(listener);
  return { file, ended: listener.ended };
}

/** Each decoded picture as a sum, in order. */
function pictures(file) {
  const args = ["-v", "error", "-i", file, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
  const text = execFileSync(systems("ffmpeg"), args, { encoding: "utf8", maxBuffer: 1e8, stdio: ["ignore", "pipe", "ignore"] });
  return text.split("\n").filter((line) => line && !line.startsWith("#")).map((line) => line.split(",").pop().trim());
}

/** Where `part` lies in `whole` without a gap, from its first picture on; its end may be torn by `torn` pictures. */
function placeOf(part, whole, torn) {
  const kept = part.slice(0, part.length - torn);
  for (let at = whole.indexOf(kept[0]); at >= 0; at = whole.indexOf(kept[0], at + 1)) {
    if (kept.every((picture, index) => whole[at + index] === picture)) return at;
  }
  return -1;
}

const row = (id) => app.page.evaluate((name) => {
  const element = document.querySelector(`[data-testid="destination-${name}"]`);
  const star = document.querySelector(`[data-testid="destination-primary-${name}"]`);
  return { state: element?.dataset.state, star: star?.getAttribute("aria-pressed") === "true", steers: !!document.querySelector(`[data-testid="destination-steers-${name}"]`) };
}, id);
const stateOf = async (id) => (await row(id)).state;
const on = async () => (await app.bootstrap()).settings.destinations.filter((each) => each.on).map((each) => each.id);
const inForce = () => app.page.evaluate(() => {
  const select = document.querySelector('[data-testid="profile"]');
  return select.options[select.selectedIndex].textContent;
});
const primary = async () => (await app.bootstrap()).state.destinations.filter((each) => each.primary).map((each) => each.id);

async function shot(name) {
  const place = process.env.TIDECAST_SHOT;
  if (place) await app.page.screenshot({ path: path.join(place, `${name}.png`) });
}

/** So many seconds in which bits leave for it. */
async function sends(id, seconds) {
  const from = (await app.seen()).stats.length;
  await until(`${seconds} s are sent to ${id}`, async () => {
    const stats = (await app.seen()).stats.slice(from);
    return stats.filter((each) => each.destinations.some((one) => one.id === id && one.sentKbps > 20)).length >= seconds;
  }, { deadline: 40_000 });
}

async function keepAs(name) {
  await click(app.page, "profile-add");
  await fill(app.page, "profile-name", name);
  await until(`${name} is in force`, async () => (await inForce()) === name);
}

test("what is switched on is kept as a profile, and picking one switches the list", limit, async () => {
  assert.equal(await inForce(), "Switched by hand");
  await keepAs("Both");
  await click(app.page, `destination-on-${changes}`);
  await until("another choice is no profile", async () => (await inForce()) === "Switched by hand");
  await keepAs("One");
  assert.deepEqual((await app.bootstrap()).settings.destinationProfiles.map((each) => [each.name, each.on]), [["Both", [stays, changes]], ["One", [stays]]]);
  await choose(app.page, "profile", "Both");
  await until("both are on", async () => (await on()).length === 2);
  await click(app.page, "destination-on-local");
  await keepAs("All");
  await click(app.page, "profile-remove");
  await until("the profile is forgotten", async () => (await inForce()) === "Switched by hand");
  assert.equal((await app.bootstrap()).settings.localInList, true, "nothing is switched by that");
  await choose(app.page, "profile", "Both");
  await until("this computer is off again", async () => !(await app.bootstrap()).settings.localInList);
  await shot("profile");
});

test("one is switched off and on while live, by itself and by a profile, and the other loses no picture", limit, async () => {
  const whole = listen(stays, "stays.mkv");
  const parts = [listen(changes, "first.ts")];
  await click(app.page, "start");
  // From before the first picture that is sent until after the last.
  await click(app.page, "record");
  const { file } = await until("it records", async () => (await app.bootstrap()).state.recording);
  await click(app.page, "go-live");
  const both = () => until("both are live", async () => (await stateOf(stays)) === "live" && (await stateOf(changes)) === "live", { deadline: 40_000 });
  await both();
  await sends(changes, 3);

  await click(app.page, `destination-on-${changes}`);
  await until("it rests", async () => (await stateOf(changes)) === "idle");
  assert.equal(await stateOf(stays), "live");
  await sends(stays, 2);
  parts.push(listen(changes, "second.ts"));
  await click(app.page, `destination-on-${changes}`);
  await both();
  await sends(changes, 3);

  await choose(app.page, "profile", "One");
  await until("the profile switches it off", async () => (await stateOf(changes)) === "idle");
  assert.equal(await stateOf(stays), "live");
  parts.push(listen(changes, "third.ts"));
  await choose(app.page, "profile", "Both");
  await both();
  await sends(changes, 3);

  await click(app.page, "end-live");
  await until("nothing runs", async () => (await app.bootstrap()).state.destinations.every((each) => each.state.kind === "idle"));
  await click(app.page, "record");
  await until("the recording is whole", async () => (await app.seen()).notices.some((notice) => notice.kind === "saved" && notice.file === file));
  await until("the servers have all", () => whole.ended() && parts.every((part) => part.ended()));

  const recorded = pictures(file);
  const received = pictures(whole.file);
  assert.ok(received.length > 60, `${received.length} pictures`);
  const [begin, end] = [placeOf(received, recorded, 0), received.length];
  assert.ok(begin >= 0, "each picture of the recording was received, in its order, from the first to the last");
  let before = begin;
  for (const [index, part] of parts.entries()) {
    const some = pictures(part.file);
    assert.ok(some.length > 15, `${some.length} pictures in part ${index + 1}`);
    // MPEG-TS does not say where its last picture ends.
    const at = placeOf(some, recorded, 1);
    assert.ok(at >= before && at + some.length <= begin + end + 1, `part ${index + 1} lies at ${at}, after ${before}`);
    before = at + some.length - 1;
  }
});

test("the primary is chosen and shown, and who stands in for it while it rests is said", limit, async () => {
  assert.deepEqual([(await row(stays)).star, (await row(changes)).star], [false, false], "nothing was chosen, and nothing runs");
  listen(stays, "again.mkv");
  listen(changes, "fourth.ts");
  await click(app.page, "go-live");
  await until("both are live", async () => (await stateOf(stays)) === "live" && (await stateOf(changes)) === "live", { deadline: 40_000 });
  assert.deepEqual(await primary(), [stays], "the first that runs, where none is chosen");
  await until("it is shown", async () => (await row(stays)).star && !(await row(changes)).star);

  await click(app.page, `destination-primary-${changes}`);
  await until("the engine follows the choice", async () => (await primary()).join() === changes);
  await until("the star has moved", async () => (await row(changes)).star && !(await row(stays)).star);
  assert.equal((await app.bootstrap()).settings.primaryDestination, changes, "it is remembered");

  await click(app.page, `destination-on-${changes}`);
  await until("the other stands in", async () => (await primary()).join() === stays);
  await until("which is said", async () => (await row(stays)).steers && (await row(changes)).star);
  await shot("stands-in");
  const heights = await app.page.evaluate(() => ["brand", "where-it-goes", "top-actions"].map((name) => {
    const box = document.querySelector(`.top-bar .${name}`).getBoundingClientRect();
    return Math.round(box.top + box.height / 2);
  }));
  assert.ok(Math.max(...heights) - Math.min(...heights) <= 2, `the bar is one line: ${heights}`);
  listen(changes, "fifth.ts");
  await click(app.page, `destination-on-${changes}`);
  await until("the chosen one is the primary again", async () => (await primary()).join() === changes && !(await row(stays)).steers, { deadline: 40_000 });
  await click(app.page, "end-live");
  await until("nothing runs", async () => (await app.bootstrap()).state.destinations.every((each) => each.state.kind === "idle"));
});
