// What the window says of the encode: what is aimed at, what holds it back, how old the preview's picture is.

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { settings, startApp } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder } from "../rigs/programs.mjs";
import { noSound } from "../rigs/sound.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
const size = { width: 640, height: 360 };
let display, pattern, app;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  pattern = await startPattern(display, { ...size, x: 1300, y: 20, content: "motion", title: "Tide pattern" });
  app = await startApp(display, {
    sound: noSound(freshFolder("figures")),
    settings: settings({ video: { ...size, fps: 30, kbps: 1500, gopSeconds: 1 } }),
  });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

const words = (id) => app.page.evaluate((testid) => document.querySelector(`[data-testid="${testid}"]`)?.textContent ?? "", id);
const ms = async (id) => Number(/^([\d.]+) ms$/.exec(await words(id))?.[1] ?? Number.NaN);

async function shot(name) {
  const place = process.env.TIDECAST_SHOT;
  if (place) await app.page.screenshot({ path: path.join(place, `${name}.png`) });
}

test("the preview's delay is told part by part, and its sum is that of the parts", limit, async (t) => {
  await app.capture("Tide pattern");
  await app.click("toggle-figures");
  const parts = await until("every part is known", async () => {
    const all = await Promise.all(["queue", "compose", "encode", "network", "buffer", "decode"].map((part) => ms(`delay-${part}`)));
    return all.every(Number.isFinite) && Number.isFinite(await ms("delay-sum")) && all;
  }, { deadline: 30_000 });
  const sum = await ms("delay-sum");
  t.diagnostic(`queue, compose, encode, network, buffer, decode: ${parts.join(", ")} ms; in all ${sum} ms`);
  await shot("figures");
  assert.ok(parts.every((part) => part >= 0 && part < 1000), JSON.stringify(parts));
  // They may be of two seconds, one after the other: the figures change between two looks.
  assert.ok(sum > 0 && sum < 1000, String(sum));
});

test("with room everywhere the target is what was set, nothing holds it back, and no raw picture is copied", limit, async () => {
  assert.equal(await words("stats-limited"), "nothing");
  assert.equal(await words("stats-target"), "1.50 Mbit/s");
  assert.equal(await words("stats-encoded-as"), "640×360, up to 30 fps");
  assert.equal(await words("stats-copies"), "0");
  assert.equal(await words("status-limited"), "");
});

test("what the engine may change by itself is a choice that acts and is remembered", limit, async () => {
  const tuning = async () => (await app.bootstrap()).settings.tuning;
  await app.page.locator('[data-testid="adapt-recording"]').evaluate((each) => each.click());
  await until("leave for recordings", async () => (await tuning())?.adaptRecording === true);
  await app.page.locator('[data-testid="adapt"]').evaluate((each) => each.click());
  await until("no adaptation", async () => (await tuning())?.adapt === false);
  assert.equal(await words("adapt-recording"), "", "what has no effect is not shown");
  await shot("tuning");
});
