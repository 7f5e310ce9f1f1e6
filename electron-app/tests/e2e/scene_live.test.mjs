// What viewers see while the streamer changes scene, canvas and source: a browser's connection and its picture go on.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { installReader, startPattern, summary } from "../rigs/pattern.mjs";
import { noSound } from "../rigs/sound.mjs";
import { freshFolder } from "../rigs/programs.mjs";
import { offerFile } from "../rigs/scenes.mjs";
import { inbound, openViewer, startChromium } from "../rigs/viewer.mjs";
import { pause, until, wallClock } from "../rigs/wait.mjs";

const limit = { timeout: 180_000 };
/** As in `stream.test.mjs`: a picture that stands this long is a freeze to anyone. */
const freezeMs = 1000;
/** Longer than two freezes: a scene that stood still while it leaves would be seen to. */
const longFadeMs = 3000;

let display, viewerDisplay, pattern, second, app, chromium, viewer;

before(async () => {
  [display, viewerDisplay] = await Promise.all([
    startDisplay({ width: 2600, height: 1100 }),
    startDisplay({ width: 1280, height: 900 }),
  ]);
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, content: "bars", fps: 30, title: "Tide pattern" });
  second = await startPattern(display, { width: 640, height: 360, x: 1300, y: 720, content: "bars", fps: 30, title: "Second pattern" });
  app = await startApp(display, {
    sound: noSound(freshFolder("nosound")),
    settings: settings({ video: video720, transition: { kind: "cut" } }),
  });
  chromium = await startChromium(viewerDisplay, { width: 1200, height: 850 });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [chromium && { stop: chromium.close }, app, pattern, second, viewerDisplay, display]) {
    await Promise.resolve(rig?.stop()).catch(() => {});
  }
});

const engine = async () => (await app.bootstrap()).state;

/** A scene whose stamp, in the upper quarter of the pattern, can be read wherever the scene is shown. */
function scene(name, canvas, sources) {
  const items = sources.map((source, index) => ({
    id: String(index + 1), name: "", source, fit: "stretch", x: 0, y: 0, width: canvas.width, height: canvas.height,
    ...(index > 0 && { x: canvas.width / 2, y: canvas.height / 2, width: canvas.width / 3, height: canvas.height / 3 }),
  }));
  return { name, canvas, items };
}

/**
 * Does `act`, and reads the viewer's picture until it has been `width`×`height` and fresh, and 1.5 s on: gives the
 * longest time it stood, having checked that it is the same connection and no freeze.
 */
async function change(t, what, act, { width, height, during = 0 }) {
  const peers = () => viewer.evaluate(() => window.tidecastPeers.map((peer) => peer.connectionState));
  const before = await inbound(viewer);
  await viewer.evaluate(() => window.tidecastPattern.take());
  await act();
  await pause(during);
  const since = wallClock();
  await until(`${what}: a fresh ${width}x${height} picture`, async () => {
    const entry = await viewer.evaluate(() => window.tidecastPattern.latest());
    return entry && entry.stamp > since && entry.width === width && entry.height === height;
  }, { deadline: 15_000 });
  await pause(1500);
  const { longestGap, fps } = summary(await viewer.evaluate(() => window.tidecastPattern.take()));
  const now = await inbound(viewer);
  const lost = now.video.packetsLost - before.video.packetsLost;
  t.diagnostic(`${what}: longest gap ${longestGap.toFixed(0)} ms, ${fps.toFixed(1)} pictures a second, ${lost} packets lost, the browser counts ${now.video.freezeCount - before.video.freezeCount} freezes`);
  assert.deepEqual(await peers(), ["connected"], "the one connection of the beginning");
  assert.equal(now.video.ssrc, before.video.ssrc, "the same stream");
  assert.ok(now.video.framesDecoded > before.video.framesDecoded);
  // Where other work leaves this machine a few pictures a second, ten of them are what a hitch takes.
  const most = Math.max(freezeMs, 10_000 / fps);
  assert.ok(longestGap < most, `${what}: the picture stood for ${longestGap} ms, ${most.toFixed(0)} are allowed`);
}

const show = (name) => app.click("scene-row", { text: name });
const live = (name) => until(`${name} is live`, async () => (await engine()).scene === name);

test("scenes come from a file, and a viewer watches the first", limit, async () => {
  const { video } = await app.sources();
  const id = (title) => video.find((source) => source.title === title).id;
  const [first, other] = [id("Tide pattern"), id("Second pattern")];
  const wide = { width: 1920, height: 1080 };
  await offerFile(app.page, "live.scene.json", JSON.stringify({
    format: "tidecast-scenes",
    version: 1,
    scenes: [
      scene("Wide", wide, [first]),
      scene("Both", wide, [first, other]),
      scene("Other", wide, [other]),
      scene("Tall", { width: 1080, height: 1920 }, [first]),
      scene("Square", { width: 1000, height: 1000 }, [other]),
    ],
  }));
  await until("all five are listed", async () => (await app.page.evaluate(() => document.querySelectorAll('[data-testid="scene-row"]').length)) === 5);
  await show("Wide");
  await app.click("scene-show");
  await live("Wide");
  const url = await app.goLive();
  ({ page: viewer } = await openViewer(chromium, url, { fresh: false }));
  await viewer.evaluate(installReader, { selector: "#video", content: "bars" });
  await until("the picture arrives", async () => {
    const entry = await viewer.evaluate(() => window.tidecastPattern.latest());
    return entry?.stamp !== undefined && entry.width === 1280;
  }, { deadline: 20_000 });
});

test("a cut to a scene with another source, to a part of the old one and back is no freeze", limit, async (t) => {
  for (const name of ["Both", "Other", "Wide"]) {
    await change(t, `cut to ${name}`, async () => {
      await show(name);
      await live(name);
    }, { width: 1280, height: 720 });
  }
});

test("while one scene fades into the other both move", limit, async (t) => {
  await app.select("scene-transition", "fade");
  await app.fill("fade-ms", longFadeMs);
  // The pattern that leaves is read in the first half of the fade, the one that comes in the second.
  for (const name of ["Other", "Both", "Wide"]) {
    await change(t, `fade to ${name}`, async () => {
      await show(name);
      await live(name);
    }, { width: 1280, height: 720, during: longFadeMs });
  }
});

test("a fade that is interrupted by the next goes on moving", limit, async (t) => {
  await app.fill("fade-ms", 600);
  await change(t, "fade upon fade", async () => {
    for (const name of ["Other", "Both", "Other", "Wide"]) {
      await show(name);
      await live(name);
    }
  }, { width: 1280, height: 720, during: 600 });
});

test("another canvas changes the picture's shape for the viewer who stays", limit, async (t) => {
  await change(t, "9:16", () => show("Tall"), { width: 720, height: 1280 });
  await change(t, "1:1", () => show("Square"), { width: 720, height: 720 });
  await change(t, "16:9", () => show("Wide"), { width: 1280, height: 720 });
  // And of the scene that is live, by the numbers.
  await change(t, "custom canvas", async () => {
    await app.select("scene-canvas", "custom");
    await app.fill("canvas-width", 1440);
  }, { width: 960, height: 720 });
  await change(t, "16:9 again", () => app.select("scene-canvas", "16:9"), { width: 1280, height: 720 });
});

test("a plain source in place of the scene, and another one, keep the viewer", limit, async (t) => {
  for (const title of ["Second pattern", "Tide pattern"]) {
    await change(t, title, async () => {
      await app.choose(title);
      await until("that source alone", async () => {
        const { scene: name, sourceId } = await engine();
        return name === undefined && sourceId !== undefined;
      });
    }, { width: 1280, height: 720 });
  }
});

test("a source that goes takes its own place alone: the rest of the picture moves on", limit, async (t) => {
  await show("Both");
  await live("Both");
  await change(t, "a lost source", async () => {
    await second.stop();
    await until("it is told", async () => (await engine()).sources.some((source) => source.capture.kind === "lost"));
    const toast = () => app.page.evaluate(() => document.querySelector('[data-testid="toast"][data-code="source_closed"]')?.textContent);
    await until("the toast", async () => (await toast()) !== undefined);
    const text = await toast();
    assert.match(text, /“Second pattern”/, "named as the user knows it");
    assert.doesNotMatch(text, /x11:/);
  }, { width: 1280, height: 720 });
  assert.ok(await app.isLive());
});
