// How many encodings there are, and as what, in the real window: simulcast of a WHIP destination with its cost, a further
// canvas's codec with what does not take it, and the chosen primary of each canvas.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { settings, startApp } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { choose, click, fill } from "../rigs/hands.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder } from "../rigs/programs.mjs";
import { noSound } from "../rigs/sound.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
const tall = { id: "c1", name: "Upright", source: "color:2060c0ff", shape: "9:16", short: 180, fps: 15, kbps: 400 };
const place = (id, canvas) => ({ id, name: `Place ${id}`, kind: "mpeg_ts", url: "udp://127.0.0.1:9", on: true, canvas });
let display, pattern, app;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  pattern = await startPattern(display, { width: 320, height: 180, x: 1300, y: 20, content: "cells", title: "Tide pattern" });
  app = await startApp(display, {
    sound: noSound(freshFolder("encodings")),
    settings: settings({
      video: { width: 1280, height: 720, fps: 15, kbps: 900, gopSeconds: 2 },
      destination: "list", localInList: false, canvases: [tall],
      destinations: [place("a1", undefined), place("a2", undefined), place("b1", "c1"), place("b2", "c1")],
    }),
  });
  await app.capture("Tide pattern");
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

const kept = async () => (await app.bootstrap()).settings;

/** For whoever looks: with TIDECAST_SHOT in the environment, in both languages. */
async function shoot(name, testid) {
  const shot = process.env.TIDECAST_SHOT;
  if (!shot) return;
  for (const language of ["zh", "en"]) {
    await click(app.page, "language");
    await until("it speaks that language", async () => (await kept()).language === language);
    await app.page.evaluate((id) => document.querySelector(`[data-testid="${id}"]`)?.scrollIntoView({ block: "center" }), testid);
    await app.page.screenshot({ path: `${shot}-${name}-${language}.png` });
  }
}

test("several sizes are offered where the user asks for them, and what they cost is said before", limit, async () => {
  await click(app.page, "destination-add");
  await choose(app.page, "destination-service", "custom");
  await choose(app.page, "destination-kind", "whip");
  await fill(app.page, "destination-name", "Room");
  await fill(app.page, "destination-url", "https://sfu.example/whip/live");
  assert.equal(await app.text("destination-simulcast-cost"), undefined, "off by default");
  await click(app.page, "destination-simulcast");
  const said = await until("its cost", () => app.text("destination-simulcast-cost"), { deadline: 30_000 });
  assert.match(said, /Costs about \d\.\d\d of \d+ cores/);
  await shoot("simulcast", "destination-simulcast-cost");
  await click(app.page, "destination-save");
  const room = await until("it is in the list", async () => (await kept()).destinations.find((each) => each.name === "Room"));
  assert.equal(room.simulcast, true);
});

test("a canvas's codec is chosen, and a destination that does not take it says so before it goes live", limit, async () => {
  await click(app.page, "canvas-edit-c1");
  await until("what there is was asked for", async () => (await app.bootstrap()).encoders?.codecs !== undefined, { deadline: 60_000 });
  await choose(app.page, "canvas-codec", "AV1");
  const takers = await until("who takes it is said", () => app.text("canvas-codec-takers"), { deadline: 30_000 });
  assert.match(takers, /svt-av1/);
  assert.match(takers, /RTMP/);
  await shoot("codec", "canvas-codec-takers");
  await click(app.page, "canvas-save");
  await until("it is taken", async () => {
    if (await app.visible("canvas-anyway")) await click(app.page, "canvas-anyway");
    return (await kept()).canvases[0].codec === "av1" && (await app.bootstrap()).state?.canvases[0]?.codec === "av1";
  }, { deadline: 30_000 });
  await until("MPEG-TS refuses AV1 beside its row", () => app.text("destination-codec-b1"));
  assert.equal(await app.text("destination-codec-a1"), undefined, "the main canvas is H.264");
  await shoot("refused", "destination-codec-b1");
});

test("each canvas keeps its own chosen primary", limit, async () => {
  for (const id of ["a2", "b2"]) await click(app.page, `destination-primary-${id}`);
  const { primaryDestination, canvasPrimaries } = await until("both are kept", async () => {
    const all = await kept();
    return all.canvasPrimaries?.includes("b2") && all.primaryDestination === "a2" && all;
  });
  assert.deepEqual([primaryDestination, canvasPrimaries], ["a2", ["b2"]]);
  const pressed = (id) => app.page.evaluate((name) => document.querySelector(`[data-testid="destination-primary-${name}"]`)?.getAttribute("aria-pressed"), id);
  assert.deepEqual(await Promise.all(["a1", "a2", "b1", "b2"].map(pressed)), ["false", "true", "false", "true"]);
});
