// What the window says of the encode: what is aimed at, what holds it back, how old the preview's picture is.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
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

/** The engine's threads by name: whether each is real-time, and how nice it is (proc(5): fields 41 and 19). */
function threads(pid) {
  const all = fs.readdirSync(`/proc/${pid}/task`).map((id) => fs.readFileSync(`/proc/${pid}/task/${id}/stat`, "utf8"));
  return new Map(all.map((stat) => {
    const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(stat);
    const fields = rest.trim().split(" ");
    return [name, { realTime: fields[41 - 3] !== "0", nice: Number(fields[19 - 3]) }];
  }));
}

async function shot(name) {
  const place = process.env.TIDECAST_SHOT;
  if (place) await app.page.screenshot({ path: path.join(place, `${name}.png`) });
}

test("the preview's delay is told part by part, and its sum is that of the parts", limit, async (t) => {
  await app.capture("Tide pattern");
  await app.click("toggle-figures");
  const names = ["queue", "compose", "encode", "network", "buffer", "decode", "sum"];
  // All at one look, as they change each second.
  const look = () => app.page.evaluate((all) => all.map((name) => document.querySelector(`[data-testid="delay-${name}"]`)?.textContent ?? ""), names);
  const [sum, ...parts] = await until("every part is known", async () => {
    const all = (await look()).map((text) => Number(/^([\d.]+) ms$/.exec(text)?.[1] ?? Number.NaN));
    return all.every(Number.isFinite) && [all.at(-1), ...all.slice(0, -1)];
  }, { deadline: 30_000 });
  t.diagnostic(`queue, compose, encode, network, buffer, decode: ${parts.join(", ")} ms; in all ${sum} ms`);
  await shot("figures");
  assert.ok(parts.every((part) => part >= 0 && part < 1000), JSON.stringify(parts));
  const rounded = 0.05 * names.length + 0.01;
  assert.ok(Math.abs(sum - parts.reduce((all, part) => all + part, 0)) <= rounded, `${sum} is not the sum of ${parts.join(", ")}`);
});

test("with room everywhere the target is what was set, nothing holds it back, and no raw picture is copied", limit, async () => {
  // A machine that has just begun may be short of time for a moment.
  await until("nothing holds it back", async () => (await words("stats-limited")) === "nothing", { deadline: 30_000 });
  assert.equal(await words("stats-target"), "1.50 Mbit/s");
  assert.equal(await words("stats-encoded-as"), "640×360, 30 fps");
  assert.equal(await words("stats-copies"), "0");
  assert.equal(await words("status-limited"), "");
});

test("threads are called after what they own, and what is short has its turn first where the system allows it", limit, () => {
  const all = threads(app.hosts()[0]);
  for (const name of ["capture-video", "encode-video", "audio-mixer"]) assert.ok(all.has(name), `${name}: ${[...all.keys()]}`);
  const usual = all.get("encode-video");
  assert.equal(usual.realTime, false, "an encode may take a whole core");
  const grab = all.get("capture-video");
  // As far down as one may go: all the way, or not at all.
  const lowest = Number(spawnSync("nice", ["-n", "-100", "nice"], { encoding: "utf8" }).stdout);
  assert.deepEqual(grab, { realTime: false, nice: lowest === -20 ? -4 : usual.nice });
  const mayBeRealTime = spawnSync("chrt", ["--rr", "5", "true"]).status === 0;
  assert.equal(all.get("audio-mixer").realTime, mayBeRealTime);
});

test("what the engine may change by itself is a choice that acts and is remembered", limit, async () => {
  const tuning = async () => (await app.bootstrap()).settings.tuning;
  await app.click("toggle-figures");
  await app.click("adapt-recording");
  await until("leave for recordings", async () => (await tuning())?.adaptRecording === true);
  await app.click("adapt");
  await until("no adaptation", async () => (await tuning())?.adapt === false);
  assert.equal(await words("adapt-recording"), "", "what has no effect is not shown");
  await shot("tuning");
});
