// The scenes' panel by hand: canvas, order, menus, hot keys, files; cameras where they are offered.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder } from "../rigs/programs.mjs";
import { middles, offerFile, savedAs, startHand } from "../rigs/scenes.mjs";
import { noSound } from "../rigs/sound.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
let display, pattern, second, app, userData, hand;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, title: "Tide pattern", fps: 15 });
  second = await startPattern(display, { width: 640, height: 360, x: 1300, y: 720, title: "Second pattern", fps: 15 });
  userData = freshFolder("user");
  app = await startApp(display, { sound: noSound(freshFolder("nosound")), settings: settings({ video: video720 }), userData });
  hand = await startHand(app.page);
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, pattern, second, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

const kept = () => JSON.parse(fs.readFileSync(path.join(userData, "settings.json"), "utf8"));
const scenes = () => kept().scenes ?? [];
const names = () => scenes().map(({ name }) => name);
const engine = async () => (await app.bootstrap()).state;
const at = async (id, text) => (await middles(app.page, id)).find((each) => each.text.includes(text)).at;

async function menu(id, text, act) {
  await hand.rightClick(await at(id, text));
  await app.click(act);
}

async function shot(name) {
  const place = process.env.TIDECAST_SHOT;
  if (place) await app.page.screenshot({ path: path.join(place, `${name}.png`) });
}

/** The field comes with the old name selected: what is typed replaces it. */
async function rename(from, to) {
  await menu("scene-row", from, "scene-rename");
  await until("the name can be written", () => app.page.evaluate(() => document.activeElement.dataset.testid === "scene-name"));
  await app.page.keyboard.type(to);
  await app.page.keyboard.press("Enter");
}

test("a scene with two sources is made, and duplicated from its menu", limit, async () => {
  await app.choose("Tide pattern");
  await app.click("scene-add");
  const { video } = await app.sources();
  await app.select("scene-add-source", video.find(({ title }) => title === "Second pattern").id);
  await until("both sources are kept", () => scenes()[0]?.items.length === 2);
  await menu("scene-row", "Scene", "scene-duplicate");
  await until("the copy has a name of its own", () => names().join() === "Scene,Scene 2");
  const [one, copy] = scenes();
  assert.deepEqual({ ...copy, name: one.name }, one);
  await rename("Scene 2", "Copy");
  await until("the new name is kept", () => names().join() === "Scene,Copy");
});

test("sources and scenes are dragged into another order, and by Alt and arrow keys", limit, async () => {
  const items = () => scenes()[1].items.map(({ name }) => name).join();
  assert.equal(items(), "Tide pattern,Second pattern");
  const [top, below] = await middles(app.page, "scene-item");
  assert.ok(top.text.includes("Second pattern"), "the topmost is the first of the list");
  await hand.drag([top.at[0] - 10, top.at[1]], [below.at[0] - 10, below.top + below.height - 2]);
  await until("the dragged one lies below", () => items() === "Second pattern,Tide pattern");
  await app.page.keyboard.press("Control+z");
  await until("one undo takes it back", () => items() === "Tide pattern,Second pattern");
  // The middle of a row is its name: a drag that ends on it is no click on it.
  const [first, last] = await middles(app.page, "scene-row");
  await hand.drag(last.at, [first.at[0], first.top + 2]);
  await until("the scenes' order", () => names().join() === "Copy,Scene");
  await app.click("scene-row", { text: "Copy" });
  await app.page.keyboard.press("Alt+ArrowDown");
  await until("the scenes' order by key", () => names().join() === "Scene,Copy");
});

test("a source is dragged from its list into the scene, and its menu does so and makes a scene of it", limit, async () => {
  const arranged = () => scenes().find(({ name }) => name === "Copy").items;
  await app.click("scene-row", { text: "Copy" });
  const before = arranged().length;
  const [panel] = await middles(app.page, "scene-item");
  await hand.drag(await at("source-item", "Tide pattern"), panel.at, 8);
  await until("it lies on top", () => arranged().length === before + 1 && arranged()[before].name === "Tide pattern");
  // A drag that ends nowhere, and a click, add nothing.
  const source = await at("source-item", "Second pattern");
  await hand.drag(source, [source[0] + 20, source[1] + 10]);
  await menu("source-item", "Second pattern", "source-to-scene");
  await until("its menu adds it", () => arranged().length === before + 2 && arranged()[before + 1].name === "Second pattern");
  for (let each = 0; each < 2; each += 1) await app.page.keyboard.press("Control+z");
  await until("both are undone", () => arranged().length === before);
  const known = names();
  await menu("source-item", "Second pattern", "source-new-scene");
  await until("a scene of it", () => scenes().length === known.length + 1);
  const made = scenes().find(({ name }) => !known.includes(name));
  assert.deepEqual(made.items.map(({ name, x, y }) => [name, x, y]), [["Second pattern", 0, 0]]);
  await app.page.keyboard.press("Control+z");
  await until("it is undone", () => names().join() === known.join());
  await app.click("scene-row", { text: "Copy" });
});

test("an item's menu fills the canvas, changes the order and removes", limit, async () => {
  const items = () => scenes()[1].items;
  await menu("scene-item", "Second pattern", "item-fill");
  await until("it fills the canvas", () => items()[1].width === 1920 && items()[1].x === 0);
  await menu("scene-item", "Second pattern", "item-down");
  await until("it lies below", () => items()[0].name === "Second pattern");
  await menu("scene-item", "Tide pattern", "item-remove");
  await until("it is gone", () => items().length === 1);
  // The keyboard walks through a menu, and Escape leaves it as it was.
  await hand.rightClick(await at("scene-item", "Second pattern"));
  const focused = () => app.page.evaluate(() => document.activeElement.dataset.testid);
  await until("the menu has the keyboard", async () => (await focused())?.startsWith("item-"));
  await app.page.keyboard.press("ArrowDown");
  await until("the next entry has it", async () => (await focused()) === "item-down");
  await app.page.keyboard.press("Escape");
  assert.equal(await app.visible("scene-menu"), false);
});

test("a canvas of one's own: even numbers, and what filled the old one fills it", limit, async () => {
  await app.select("scene-canvas", "custom");
  await app.fill("canvas-width", 1440);
  await app.fill("canvas-height", 1080);
  await until("the canvas is kept, with its item", () => {
    const [, { canvas, items }] = scenes();
    return canvas.width === 1440 && canvas.height === 1080 && items[0].width === 1440 && items[0].height === 1080;
  });
  await app.click("scene-show");
  await until("it is encoded at the short side of the settings", async () => {
    const state = await engine();
    return state?.scene === "Copy" && state.settings.width === 960 && state.settings.height === 720;
  });
  await app.previewMoves();
});

test("a scene is exported, and comes back from its file", limit, async () => {
  const file = path.join(userData, "out.scene.json");
  const saved = await savedAs(app, file, () => menu("scene-row", "Copy", "scene-export"));
  assert.deepEqual([saved.format, saved.version, saved.scenes.length], ["tidecast-scenes", 1, 1]);
  assert.deepEqual(saved.scenes[0], scenes()[1]);
  await offerFile(app.page, "in.scene.json", fs.readFileSync(file, "utf8"));
  await until("it is there again, by another name", () => names().join() === "Scene,Copy,Copy 2");
  assert.deepEqual({ ...scenes()[2], name: "Copy" }, scenes()[1]);
  await offerFile(app.page, "wrong.json", "{}");
  await until("what is no scene file is told", async () => (await app.toasts()).some((text) => text.includes("not a scene file")));
  assert.equal(names().length, 3);
});

test("a hot key shows its scene whatever has the keyboard", limit, async () => {
  await app.click("scene-row", { text: "Scene" });
  await until("that scene is live", async () => (await engine()).scene === "Scene");
  await app.click("scene-row", { text: "Copy 2" });
  await app.click("scene-hot-key");
  await app.page.keyboard.press("Control+Alt+7");
  await until("the key is kept", () => kept().sceneKeys?.[0]?.keys === "CommandOrControl+Alt+7" && kept().sceneKeys[0].scene === "Copy 2");
  await app.click("scene-row", { text: "Scene" });
  await until("the first scene is live again", async () => (await engine()).scene === "Scene");
  // At the X server, to no window of ours.
  await display.xdotool("key", "ctrl+alt+7");
  await until("its scene is live", async () => (await engine()).scene === "Copy 2");
  assert.equal(await app.visible("scene-key-problem"), false, "a key that works needs no word");
  // A new name keeps the key; a scene that is removed gives it back.
  await rename("Copy 2", "Keyed");
  await until("the key goes with the name", () => kept().sceneKeys[0].scene === "Keyed");
  await menu("scene-row", "Keyed", "scene-remove");
  await until("the key is free", () => kept().sceneKeys.length === 0);
});

test("a hot key that another program has is said to be taken, beside its field", limit, async () => {
  await app.click("scene-row", { text: "Copy" });
  await app.click("scene-hot-key");
  // The window manager's own, for a desktop of its.
  await app.page.keyboard.press("Meta+F1");
  await until("the key is kept", () => kept().sceneKeys?.[0]?.keys === "Super+F1");
  await until("its field says so", () => app.visible("scene-key-problem"));
  assert.equal(await app.text("scene-key-problem"), "Another program has this hot key. Choose another one.");
  await shot("scene-key-taken");
  await app.click("scene-row", { text: "Scene" });
  await until("another scene has no such trouble", async () => !(await app.visible("scene-key-problem")));
  await app.click("scene-row", { text: "Copy" });
  await app.click("scene-hot-key");
  await app.page.keyboard.press("Control+Alt+8");
  await until("the next key is nobody's", async () => kept().sceneKeys?.[0]?.keys === "CommandOrControl+Alt+8" && !(await app.visible("scene-key-problem")));
  await app.click("scene-hot-key");
  await app.page.keyboard.press("Delete");
  await until("the key is free", () => kept().sceneKeys.length === 0);
});
