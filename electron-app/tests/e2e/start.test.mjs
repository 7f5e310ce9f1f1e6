// Starting where something is missing or broken.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { startApp } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { occupyPort } from "../rigs/pages.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder, ours } from "../rigs/programs.mjs";
import { noSound } from "../rigs/sound.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 90_000 };
let display, pattern, app, userData;
const broken = '{"version": 1, "theme": "dark", "vid';

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, title: "Tide pattern" });
  userData = freshFolder("user");
  app = await startApp(display, { sound: noSound(freshFolder("nosound")), settings: broken, userData });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

test("a corrupt settings file is kept aside, the defaults are used, and it is said", limit, async () => {
  const kept = fs.readdirSync(userData).filter((name) => name !== "settings.json" && name.startsWith("settings"));
  assert.equal(kept.length, 1, `${fs.readdirSync(userData)}`);
  assert.equal(fs.readFileSync(path.join(userData, kept[0]), "utf8"), broken);
  await until("it is said", async () => (await app.toasts()).some((toast) => toast.length > 10));
});

test("a first run proposes size and bitrate for the encoder that was found", limit, async () => {
  const proposal = await until("a proposal", async () => (await app.bootstrap()).settings.video, { deadline: 20_000 });
  assert.ok(proposal.kbps >= 500 && proposal.width >= 640, JSON.stringify(proposal));
  await until("the encoder is named", async () => (await app.text("encoder-name"))?.includes("x264"));
});

test("without a sound server the picture is streamed all the same, and the lack is told", limit, async () => {
  const sources = await app.sources();
  assert.deepEqual(sources.problems.map((problem) => problem.code), ["no_sound_server"]);
  assert.ok(sources.problems[0].hint.length > 10);
  await app.capture("Tide pattern");
  await app.goLive();
});

test("without a display the command line says so with a code and a hint", limit, () => {
  const { DISPLAY, WAYLAND_DISPLAY, ...env } = process.env;
  const listed = spawnSync(ours("tidecast"), ["sources", "--json"], { env, encoding: "utf8", timeout: 30_000 });
  const { problems, video } = JSON.parse(listed.stdout);
  assert.deepEqual(video, []);
  const problem = problems.find((each) => each.code === "no_display");
  assert.ok(problem?.hint.length > 10, listed.stdout);
  const streamed = spawnSync(ours("tidecast"), ["stream", "--duration", "1"], { env, encoding: "utf8", timeout: 30_000 });
  assert.equal(streamed.status, 1);
  assert.match(streamed.stderr, /no_display/);
});

test("a port in use is told by the server, which ends with a code of its own", limit, async () => {
  const taken = await occupyPort();
  const folder = freshFolder("server");
  fs.writeFileSync(path.join(folder, "s.toml"), '[streams.live]\npublish_key = "0123456789abcdef0123"\n');
  const run = spawnSync(ours("tidecast-server"), ["--http", `127.0.0.1:${taken.port}`, "--config", path.join(folder, "s.toml")], { encoding: "utf8", timeout: 20_000 });
  await taken.stop();
  assert.equal(run.status, 3, run.stderr);
  assert.match(run.stderr, new RegExp(String(taken.port)));
});
