// A Wayland session, in which the desktop shares the screen and asks its user: through the window, as a person would.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { startSharedScreen } from "../rigs/shared_screen.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
const ORANGE = [0xe0, 0x68, 0x20];
let display, screen, app;

before(async () => {
  display = await startDisplay({ width: 1300, height: 900 });
  screen = await startSharedScreen();
  app = await startApp(display, { settings: settings({ video: video720 }), env: screen.env });
}, limit);

after(async () => {
  for (const rig of [app, screen, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

/** The colour in the middle of the preview, [red, green, blue]. */
function middle() {
  return app.page.evaluate(() => {
    const video = document.querySelector('[data-testid="preview-video"]');
    if (!video || video.videoWidth === 0) return undefined;
    const canvas = document.createElement("canvas");
    canvas.width = 16;
    canvas.height = 9;
    const painter = canvas.getContext("2d");
    painter.drawImage(video, 0, 0, 16, 9);
    return [...painter.getImageData(8, 4, 1, 1).data].slice(0, 3);
  });
}

const isOrange = async () => {
  const colour = await middle();
  return colour?.every((part, index) => Math.abs(part - ORANGE[index]) <= 24);
};
const capture = async () => (await app.bootstrap()).state?.capture;

test("the list offers what the system asks about, first", limit, async () => {
  const first = await until("the list", async () => (await app.sources()).video[0]);
  assert.equal(first.kind, "portal");
  assert.equal(first.id, "wayland:portal");
  await until("its row", async () => (await app.text("source-item"))?.includes("Screen or window (the system asks)"));
});

test("a refusal is said in words, and nothing is captured", limit, async () => {
  await screen.answer("refuse");
  await app.choose("Screen or window");
  await app.click("start");
  await until("the refusal", async () => (await app.toasts()).some((toast) => toast.includes("Sharing the screen was refused")));
  assert.equal((await capture())?.kind ?? "idle", "idle");
});

test("while the desktop asks, the app says so; the answer brings the picture", limit, async () => {
  await screen.answer("think");
  await app.click("start");
  const paused = await until("the question", async () => {
    const now = await capture();
    return now?.kind === "paused" && now;
  });
  assert.equal(paused.code, "portal_asking");
  await screen.decide(true);
  await app.previewMoves();
  await until("the shared screen in the preview", isOrange);
});

test("the app asks once: after a restart the same is shared without a question, by a token that is in no log", limit, async () => {
  const { questions } = await screen.asked();
  const keys = path.join(app.userData, "keys.json");
  await until("the grant is kept", () => fs.existsSync(keys) && fs.readFileSync(keys, "utf8").includes("source:wayland:portal"));
  const { userData } = app;
  const output = app.output;
  await app.page.evaluate(() => window.tidecast.stopCapture());
  await until("the sharing is closed", async () => (await screen.asked()).closed === 1);
  await app.stop();
  // GStreamer's sink gives nothing more once it was without a reader for long; a screen would.
  await screen.restart();
  app = await startApp(display, { userData, env: screen.env });
  await app.choose("Screen or window");
  await app.click("start");
  await app.previewMoves();
  await until("the shared screen in the preview", isOrange);
  const asked = await screen.asked();
  assert.equal(asked.questions, questions, "nobody was asked again");
  assert.equal(asked.restored, true);
  const said = [...output, ...app.output].join("\n");
  assert.ok(!said.includes("restore-me"), "the token stands in a log");
  const diagnostics = await app.page.evaluate(() => window.tidecast.bootstrap());
  assert.ok(!JSON.stringify(diagnostics).includes("restore-me"), "the token reached the page");
});

test("“ask again” makes the desktop ask anew", limit, async () => {
  await screen.answer("share");
  const { questions, closed } = await screen.asked();
  await app.click("ask-again");
  await until("another question", async () => (await screen.asked()).questions === questions + 1);
  // The old picture looks the same: it is the new sharing's from when the old one was closed.
  await until("the old sharing is closed", async () => (await screen.asked()).closed === closed + 1);
  await until("the shared screen in the preview", isOrange);
});

test("a sharing that the desktop ends is said to have ended, and is not tried again behind the user's back", limit, async () => {
  const { questions } = await screen.asked();
  await screen.close();
  const lost = await until("the end", async () => {
    const now = await capture();
    return now?.kind === "lost" && now;
  });
  assert.equal(lost.code, "sharing_ended");
  // Other lost sources are tried again every three seconds.
  await new Promise((resolve) => setTimeout(resolve, 5000));
  assert.equal((await screen.asked()).questions, questions);
  assert.equal((await capture()).kind, "lost");
});

test("a key to talk is asked of the desktop by its name, and acts by the desktop's word in any program", limit, async () => {
  const state = async () => (await app.bootstrap()).state;
  const hushed = async () => (await state()).audio.find(({ input }) => input === "microphone").hushed;
  await screen.answer("share");
  await app.click("open-desk");
  await app.click("filters-microphone");
  await app.click("key-push_to_talk-microphone");
  await until("the button waits for a key", async () => (await app.text("key-push_to_talk-microphone")) === "Press a key…");
  await app.page.keyboard.press("Control+F8");
  const id = "push_to_talk:microphone";
  await until("the desktop was asked", async () => (await screen.shortcuts()).length === 1);
  assert.deepEqual(await screen.shortcuts(), [[id, "Microphone – Push to talk", "CTRL+F8"]]);
  await until("it has answered", async () => (await state()).hotKeysProblem === undefined && (await hushed()));
  await screen.press(id);
  await until("it is heard", async () => !(await hushed()));
  await screen.release(id);
  await until("it is silent", hushed);
  // What the desktop gives no key acts in the window, which says so.
  await screen.give("another");
  await until("the desk says so", async () => (await app.text("keys-only-here"))?.includes("has set no key for some"));
  await app.page.keyboard.down("Control");
  await app.page.keyboard.down("F8");
  await until("it is heard in the window", async () => !(await hushed()));
  await app.page.keyboard.up("F8");
  await app.page.keyboard.up("Control");
  await until("it is silent again", hushed);
});

test("a scene's key is asked of the desktop too, and shows its scene", limit, async () => {
  await app.page.keyboard.press("Escape");
  await app.page.evaluate(() => window.tidecast.addSource("color:2080c0"));
  await app.click("refresh-sources");
  await until("the colour is listed", () => app.page.evaluate(() => document.querySelector('[data-source-id="color:2080c0"]') !== null));
  await app.choose("#2080C0");
  await app.click("scene-add");
  await app.click("scene-hot-key");
  await app.page.keyboard.press("Control+Alt+7");
  await until("the desktop was asked", async () => (await screen.shortcuts()).some(([id]) => id === "scene:Scene"));
  assert.deepEqual((await screen.shortcuts()).find(([id]) => id === "scene:Scene"), ["scene:Scene", "Scene – Scene", "CTRL+ALT+7"]);
  await until("beside the field is said that the desktop gave it none", async () => (await app.text("scene-key-problem"))?.includes("has set no key for some"));
  await screen.give("scene:Scene");
  await app.click("scene-add");
  // What was shared last still has its card: a click on a scene goes over to it.
  await app.click("scene-row", { text: "Scene 2" });
  const shown = async () => (await app.bootstrap()).state?.scene;
  await until("the other scene is live", async () => (await shown()) === "Scene 2");
  await screen.press("scene:Scene");
  await until("the key's scene is live", async () => (await shown()) === "Scene");
});
