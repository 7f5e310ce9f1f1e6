// Scenes in the real window: arranged, shown live, dragged on the preview, undone, remembered.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder } from "../rigs/programs.mjs";
import { noSound } from "../rigs/sound.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
let display, pattern, second, app, userData;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, title: "Tide pattern" });
  second = await startPattern(display, { width: 640, height: 360, x: 1300, y: 760, title: "Second pattern" });
  userData = freshFolder("user");
  const wanted = settings({ video: video720 });
  app = await startApp(display, { sound: noSound(freshFolder("nosound")), settings: wanted, userData });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, pattern, second, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

const saved = () => JSON.parse(fs.readFileSync(path.join(userData, "settings.json"), "utf8")).scenes ?? [];
const engine = async () => (await app.bootstrap()).state;

test("a scene is made of the chosen source and shown", limit, async () => {
  await app.choose("Tide pattern");
  await app.click("scene-add");
  await app.click("scene-show");
  await until("the scene is live", async () => (await engine())?.scene === "Scene");
  assert.equal((await engine()).sources.length, 1);
  await app.previewMoves();
  await until("it is remembered", () => saved().length === 1);
});

test("another source lies over it, is moved on the preview and undone", limit, async () => {
  const { video } = await app.sources();
  // Not the screen: our own window lies on it, and a card would hide the preview.
  const other = video.find((source) => source.title === "Second pattern");
  await app.select("scene-add-source", other.id);
  await until("both are captured", async () => (await engine())?.sources.length === 2);
  const frames = () => app.page.evaluate(() => [...document.querySelectorAll('[data-testid="scene-frame"]')].map((each) => {
    const { x, y, width, height } = each.getBoundingClientRect();
    return { x, y, width, height };
  }));
  // The preview takes its place while the second source comes: what is grabbed must have come to rest.
  let last;
  const before = await until("the second frame is there and rests", async () => {
    const boxes = await frames();
    const earlier = last;
    last = JSON.stringify(boxes);
    return boxes.length === 2 && boxes[1].width > 20 && last === earlier && boxes[1];
  }, { every: 150 });
  const [x, y] = [before.x + before.width / 2, before.y + before.height / 2];
  // Playwright's mouse can't move with a button held in old Chromium (it wants Input.setInterceptDrags): the
  // browser's own protocol can, and makes real pointer events of it.
  const hand = await app.page.context().newCDPSession(app.page);
  const act = (type, at, buttons) => hand.send("Input.dispatchMouseEvent", { type, x: at[0], y: at[1], button: "left", buttons, clickCount: 1 });
  await act("mousePressed", [x, y], 1);
  for (let part = 1; part <= 6; part += 1) await act("mouseMoved", [x - 10 * part, y - 8 * part], 1);
  await act("mouseReleased", [x - 60, y - 48], 0);
  // A slow drag is kept on its way, too: what counts is where it came to rest.
  let kept;
  const moved = await until("what was dragged is kept", () => {
    const item = saved()[0]?.items[1];
    const rests = JSON.stringify(item) === kept;
    kept = JSON.stringify(item);
    return rests && item.x < 1280 && item.y < 720 && item;
  }, { every: 600 });
  assert.ok(moved.width === 640, "moved, not scaled");
  await app.page.keyboard.press("Control+z");
  await until("one undo takes the whole drag back", () => saved()[0]?.items[1]?.x === 1280);
  await app.page.keyboard.press("Control+Shift+Z");
  await until("redo brings it again", () => saved()[0]?.items[1]?.x === moved.x);
});

test("a scene for telephones changes the picture's size, the preview goes on", limit, async () => {
  await app.select("scene-canvas", "9:16");
  await until("the encoded size", async () => {
    const { settings: now } = await engine();
    return now.width === 720 && now.height === 1280;
  });
  await until("the preview has that size", () => app.page.evaluate(() => {
    const video = document.querySelector('[data-testid="preview-video"]');
    return video.videoWidth === 720 && video.videoHeight === 1280;
  }), { deadline: 20_000 });
});

test("the simple path is as before: a click on a source streams it alone", limit, async () => {
  await app.choose("Tide pattern");
  await until("the source alone", async () => {
    const state = await engine();
    return state.scene === undefined && state.sourceId !== undefined && state.settings.width === 1280;
  });
  await app.previewMoves();
});
