// The live server's admin pages in Chromium, against the real server: what a stream that ffmpeg really publishes looks
// like there, and what can be done to it. Nothing is made up: keys that are made open, keys that are revoked don't.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { startDisplay } from "../rigs/display.mjs";
import { freePort } from "../rigs/pages.mjs";
import { freshFolder, ours, systems, talk } from "../rigs/programs.mjs";
import { publishKey, startServer, viewToken } from "../rigs/servers.mjs";
import { startChromium } from "../rigs/viewer.mjs";
import { pause, until } from "../rigs/wait.mjs";

const limit = { timeout: 120_000 };
const password = "a long enough password";
let display, chromium, server, rtmp, page, folder;
const publishers = [];
const others = [];

before(async () => {
  folder = freshFolder("admin");
  const rtmpPort = await freePort();
  display = await startDisplay({ width: 1300, height: 900 });
  server = await startServer({
    more: `[streams.second]\npublish_key = "${publishKey}"\n[rtmp]\nlisten = "127.0.0.1:${rtmpPort}"\n[admin]\nfolder = "${path.join(folder, "state")}"\n`
      + `[transcoding]\nlinger_seconds = 2\n[transcoding.ladder.all]\nrenditions = [{ height = 180, kbps = 300 }]\nstreams = ["live"]\n[publishing]\ngrace_seconds = 2\n[recording.disk]\nfolder = "${path.join(folder, "recordings")}"\nkeep_days = 30\nstreams = ["live"]\n`
      + `[alerts]\nwebhook = "http://127.0.0.1:9/"\nrules.down = { when = "stream_down", streams = ["second"], for_seconds = 1 }\n`
      + `rules.thin = { when = "bitrate_low", limit = 1, streams = ["live"], for_seconds = 1 }\n`,
  });
  rtmp = `rtmp://127.0.0.1:${rtmpPort}/app/live`;
  chromium = await startChromium(display, { width: 1280, height: 850 });
  page = await chromium.firstPage();
}, { timeout: 60_000 });

after(async () => {
  for (const rig of [...publishers, ...others, chromium && { stop: chromium.close }, server, display]) {
    await Promise.resolve(rig?.stop()).catch(() => {});
  }
});

/** ffmpeg publishes moving colours and a tone with a key, in real time. */
function publish(key) {
  const program = talk(systems("ffmpeg"), [
    "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=30", "-re", "-f", "lavfi", "-i", "sine=440:r=44100",
    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0", "-g", "30", "-b:v", "800k", "-pix_fmt", "yuv420p",
    "-c:a", "aac", "-b:a", "96k", "-f", "flv", `${rtmp}?key=${key}`,
  ]);
  publishers.push(program);
  return program;
}

/** A picture of the page for who wants to look at it, as wide as a desk or a phone. */
async function shot(name) {
  const where = process.env.TIDECAST_SHOT;
  if (!where) return;
  for (const [kind, size] of Object.entries({ desk: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } })) {
    await page.setViewportSize(size);
    for (const language of ["en", "zh"]) {
      await page.screenshot({ path: path.join(where, `${name}-${kind}-${language}.png`), fullPage: true });
      if (await page.locator("dialog[open]").count() === 0) await at("language").click();
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

const at = (id) => page.getByTestId(id);
const isLive = () => page.evaluate(() => document.querySelector("[data-testid=stream-live]")?.dataset.live === "true");

test("before a password is set nobody can sign in, and the page says how to set one", limit, async () => {
  await page.goto(`${server.base}/admin`);
  await at("not-set-up").waitFor();
  const tool = spawnSync(ours("tidecast-server"), ["--config", server.config, "set-admin-password"], { input: `${password}\n`, encoding: "utf8" });
  assert.equal(tool.status, 0, tool.stderr);
});

test("who has the password sees a stream that is being published: its picture, its figures, its publisher", limit, async () => {
  await page.reload();
  await at("password").fill("not the password");
  await at("sign-in").click();
  await until("the page says that it is wrong", async () => (await at("problem").textContent()).length > 0);
  await at("password").fill(password);
  await at("sign-in").click();
  await at("stream-live").waitFor();
  assert.equal(await isLive(), false);
  publish(publishKey);
  await until("the stream is live", isLive, { deadline: 30_000 });
  await at("stream-live").click();
  const picture = await until("a thumbnail", () => page.evaluate(() => {
    const image = document.querySelector("[data-testid=thumbnail-live]");
    if (!image?.complete || image.naturalWidth === 0) return undefined;
    const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const colours = new Set();
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) colours.add((data[at] >> 5) + ((data[at + 1] >> 5) << 3) + ((data[at + 2] >> 5) << 6));
    return { width: canvas.width, height: canvas.height, colours: colours.size };
  }), { deadline: 20_000 });
  assert.deepEqual({ width: picture.width, height: picture.height }, { width: 320, height: 180 });
  assert.ok(picture.colours > 30, `testsrc2 has many colours, the thumbnail ${picture.colours}`);
  await until("its figures", async () => {
    const text = await at("detail").innerText();
    return text.includes("H264") && text.includes("640 × 360") && text.includes("RTMP") && /\d+ kbit\/s/.test(text);
  });
  assert.ok((await at("session-publish").innerText()).includes("127.0.0.1"));
  await until("the chart moves", () => page.evaluate(() => (document.querySelector("[data-testid=chart] .line")?.getAttribute("d").match(/L/g) ?? []).length > 5));
});

test("the qualities are listed, and one is made once it is watched", limit, async () => {
  await until("both are there", async () => (await at("renditions").locator("tbody tr").count()) === 2);
  assert.match(await at("rendition-source").innerText(), /^Source\s+640 × 360\s+[\d.]+ [kM]bit\/s\s+Published\s+0$/);
  assert.match(await at("rendition-180p").innerText(), /^180p\s+320 × 180\s+300 kbit\/s\s+Made once watched\s+0$/);
  const state = () => at("rendition-180p").getAttribute("data-state");
  await fetch(`${server.base}/hls/live/180p.m3u8`, { headers: { Authorization: `Bearer ${viewToken}` } });
  await until("it is made", async () => (await state()) === "running");
  await shot("renditions");
  await until("it is not, some time after", async () => (await state()) === "idle", { deadline: 30_000 });
});

test("a place that the stream is sent on to is added, says why it is not live, is tried again and removed", limit, async () => {
  const port = await freePort();
  await at("add-forward").click();
  await at("forward-name").fill("elsewhere");
  await at("forward-url").fill(`rtmp://127.0.0.1:${port}/live`);
  await at("forward-key").fill("key-of-elsewhere");
  await shot("forward-add");
  // By the keyboard, from the last field on.
  await at("forward-key").press("Enter");
  const row = at("forward-elsewhere");
  await until("it says what is wrong", async () => (await row.getAttribute("data-state")) === "reconnecting" && (await row.locator(".why").count()) === 1);
  assert.match(await row.innerText(), /nobody_listens|address_unreachable/);
  await shot("forward-broken");
  const listener = talk(systems("ffmpeg"), ["-v", "error", "-nostdin", "-y", "-f", "flv", "-listen", "1", "-i", `rtmp://127.0.0.1:${port}/live/key-of-elsewhere`, "-c", "copy", path.join(folder, "elsewhere.flv")]);
  others.push(listener);
  await until("it is live there", async () => {
    const retry = at("retry-elsewhere");
    if (await retry.count()) await retry.click({ timeout: 1000 }).catch(() => {});
    return (await row.getAttribute("data-state")) === "live";
  }, { deadline: 30_000 });
  await until("its bitrate is shown", async () => /\d+ kbit\/s/.test(await row.innerText()));
  await shot("forward-live");
  const shown = await page.evaluate(() => fetch("/api/v1/admin/overview").then((answer) => answer.text()));
  assert.ok(shown.includes("elsewhere") && !shown.includes("key-of-elsewhere"));
  await at("remove-elsewhere").click();
  await at("remove-now").click();
  await until("it is gone", async () => (await row.count()) === 0);
  await until("and its connection over", () => listener.ended(), { deadline: 20_000 });
  const streams = spawnSync(systems("ffprobe"), ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", path.join(folder, "elsewhere.flv")], { encoding: "utf8" });
  assert.deepEqual(streams.stdout.trim().split("\n").sort(), ["aac", "h264"], streams.stderr);
});

test("alerts stand there as they are, and what fires is counted beside their name", limit, async () => {
  await until("the one that nobody publishes fires", async () => (await at("firing").textContent()) === "1");
  await at("tab-alerts").click();
  assert.equal(await at("alert-down").getAttribute("data-state"), "firing");
  assert.equal(await at("alert-thin").getAttribute("data-state"), "well");
  assert.match(await at("alert-thin").innerText(), /kbit\/s/);
  await shot("alerts");
  await at("tab-streams").click();
});

test("Chromium has a picture long before the next keyframe, where there are ten seconds between two", limit, async (t) => {
  const publisher = talk(systems("ffmpeg"), [
    "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=30", "-c:v", "libx264", "-preset", "ultrafast",
    "-tune", "zerolatency", "-bf", "0", "-g", "300", "-pix_fmt", "yuv420p", "-f", "flv", `${rtmp.replace(/live$/, "second")}?key=${publishKey}`,
  ]);
  others.push(publisher);
  const second = () => page.evaluate(() => fetch("/api/v1/admin/overview").then((answer) => answer.json()).then(({ streams }) => streams.find(({ name }) => name === "second")));
  const joins = 4;
  try {
    await until("it is live", async () => (await second()).live, { deadline: 30_000 });
    const viewer = await chromium.newPage();
    for (let time = 1; time <= joins; time += 1) {
      await viewer.goto(`${server.base}/?stream=second`);
      await until("a picture", () => viewer.evaluate(() => document.documentElement.dataset.state === "live"), { deadline: 60_000 });
      // A player counts by the second, and reports when its page is closed. The next one comes at another moment of the ten.
      await pause(3000);
      await viewer.goto("about:blank");
      await until("its report", async () => (await second()).reports.viewers === time);
    }
    await viewer.close();
    const { reports } = await second();
    t.diagnostic(`first picture after ${Math.round(reports.join_ms_p50)} ms at the median, ${Math.round(reports.join_ms_p95)} ms at most`);
    // Starting a decoder takes Chromium what the machine has left for it; what the server takes is measured in joins.rs.
    assert.ok(reports.join_ms_p95 <= 2000, JSON.stringify(reports));
  } finally {
    await publisher.stop();
    await page.bringToFront();
  }
});

test("a recording is listed while it is written, and played where it is listed", limit, async () => {
  await at("tab-recordings").click();
  await until("it is listed", async () => (await at("recording").count()) === 1, { deadline: 40_000 });
  assert.equal(await at("recording").getAttribute("data-open"), "true");
  assert.equal(await at("delete").count(), 0, "what is being written can't be deleted");
  assert.match(await at("rule-disk").innerText(), /30/);
  assert.match(await at("rule-disk").innerText(), /\d GB|\d TB/, "the room left");
  await shot("recordings");
  await at("play").click();
  await until("it plays", () => page.evaluate(() => document.querySelector("video")?.currentTime > 0.5 && document.querySelector("video").videoWidth === 640), { deadline: 30_000 });
  await shot("player");
  await page.keyboard.press("Escape");
  await until("Escape closes it", async () => (await at("player").count()) === 0);
  const before = await at("recording").innerText();
  await until("the list follows the recording", async () => (await at("recording").innerText()) !== before, { deadline: 30_000 });
  await at("tab-streams").click();
});

test("a viewer is counted, and what its player reports is shown", limit, async () => {
  const viewer = await chromium.newPage();
  await viewer.goto(`${server.base}/?stream=live#token=${viewToken}`);
  const said = () => viewer.evaluate(() => `${document.documentElement.dataset.state}: ${document.querySelector("#log").innerText}`);
  await until("the viewer sees it", () => viewer.evaluate(() => document.documentElement.dataset.state === "live"), { deadline: 60_000 })
    .catch(async (error) => { throw new Error(`${error.message}; the page says ${await said()}`); });
  await page.bringToFront();
  await until("it is among those who are here", () => at("session-view").count());
  await viewer.bringToFront();
  // A player reports twice a minute, and when its page is closed.
  await pause(3000);
  await viewer.goto("about:blank");
  await until("its report", () => page.evaluate(() => document.querySelector("[data-testid=reports]").dataset.viewers === "1"));
  await viewer.close();
});

test("a key that is made publishes, and once it is revoked its publisher is sent away for good", limit, async () => {
  await publishers.pop().stop();
  await until("the first publisher is gone", async () => !(await isLive()));
  await at("tab-keys").click();
  await at("make-key").click();
  await at("key-label").fill("ffmpeg of this test");
  await at("key-stream").selectOption("live");
  await at("make-key-now").click();
  const key = await at("secret").textContent();
  assert.match(key, /^tc_[0-9a-f]{8}_[0-9a-f]{32}$/);
  await at("secret-seen").click();
  const id = key.split("_")[1];
  await at(`key-${id}`).waitFor();
  assert.ok(!(await page.content()).includes(key), "it is shown once");
  const publisher = publish(key);
  await at("tab-streams").click();
  await until("it publishes", isLive, { deadline: 30_000 });
  assert.ok((await at("session-publish").innerText()).includes(id), "by its key's name");
  await at("tab-keys").click();
  await at(`revoke-${id}`).click();
  await at("revoke-now").click();
  await until("its publisher ends", () => publisher.ended(), { deadline: 20_000 });
  const again = publish(key);
  await until("it may not come back", () => again.ended(), { deadline: 20_000 });
  assert.equal(await at(`key-${id}`).count(), 0);
});

test("a publisher is sent away and kept out", limit, async () => {
  await at("tab-streams").click();
  await at("stream-live").waitFor();
  await until("the last publisher is gone", async () => !(await isLive()) && (await at("session-publish").count()) === 0);
  const publisher = publish(publishKey);
  await until("it publishes", isLive, { deadline: 30_000 });
  await at("send-away-publish").click();
  await at("keep-out").selectOption("60");
  await at("send-away-now").click();
  await until("the page says so", async () => (await at("toast").textContent()) === "The session has ended.");
  await until("it is gone", () => publisher.ended(), { deadline: 20_000 }).catch((error) => { throw new Error(`${error.message}: ${server.log().slice(-12).join(" | ")}`); });
  await until("and the stream not live", async () => !(await isLive()));
  const again = publish(publishKey);
  await until("it is kept out", () => again.ended(), { deadline: 20_000 });
});

test("a recording that has ended is taken along as one file, and deleted after a question", limit, async (t) => {
  await publishers.at(-1).stop();
  await at("tab-recordings").click();
  await until("none is written any more", async () => (await at("recording").count()) > 0 && (await page.locator("[data-testid=recording][data-open=true]").count()) === 0, { deadline: 40_000 });
  const last = page.locator("[data-testid=recording]").last();
  const address = await last.getByTestId("download").first().getAttribute("href");
  const cookies = await page.context().cookies();
  const answer = await fetch(`${server.base}${address}`, { headers: { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join("; ") } });
  assert.match(answer.headers.get("content-disposition"), /attachment; filename="live-.*\.mp4"/);
  const file = path.join(folder, "taken.mp4");
  fs.writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
  const probed = spawnSync(systems("ffprobe"), ["-v", "error", "-show_entries", "stream=codec_name:format=duration", "-of", "json", file], { encoding: "utf8" });
  const { streams, format } = JSON.parse(probed.stdout);
  assert.deepEqual(streams.map((stream) => stream.codec_name).sort(), ["h264", "opus"], probed.stderr);
  assert.ok(Number(format.duration) > 5, JSON.stringify(format));
  t.diagnostic(`${format.duration} s`);
  const count = await at("recording").count();
  await last.getByTestId("delete").click();
  await shot("recording-delete");
  await page.getByTestId("dialog").press("Escape");
  assert.equal(await at("recording").count(), count, "nothing is deleted without a yes");
  await last.getByTestId("delete").click();
  await at("delete-now").click();
  await until("it leaves the list", async () => (await at("recording").count()) === count - 1);
});

test("the log is searched by words, and holds no key", limit, async () => {
  await at("tab-log").click();
  await until("lines", async () => (await at("log-lines").locator("li").count()) > 5);
  await at("log-words").fill("key revoked");
  await until("only those that fit", async () => {
    const lines = await at("log-lines").locator("li").allInnerTexts();
    return lines.length === 1 && lines[0].includes("a key is revoked");
  });
  await at("log-words").fill("");
  await until("all again", async () => (await at("log-lines").locator("li").count()) > 5);
  const all = await at("log-lines").innerText();
  for (const secret of [publishKey, viewToken, password, "tc_"]) assert.ok(!all.includes(secret), secret);
});

test("settings are shown without secrets, in both languages", limit, async () => {
  await at("tab-settings").click();
  await until("sections", async () => (await at("settings").innerText()).includes("[streams.live]"));
  const text = await page.content();
  for (const secret of [publishKey, viewToken, password, "$argon2"]) assert.ok(!text.includes(secret), secret);
  await at("language").click();
  await until("Chinese", async () => (await at("sign-out").textContent()) === "退出登录");
  await at("language").click();
});

test("another origin's page can neither read nor act, even with the cookie in the same browser", limit, async () => {
  // The same host on another port is the same site for SameSite cookies: only the origin differs.
  const foreign = await startServer({});
  try {
    const stranger = await chromium.newPage();
    await stranger.goto(`${foreign.base}/healthz`);
    const tried = await stranger.evaluate(async (base) => {
      const outcome = async (path, options) => {
        try {
          const answer = await fetch(`${base}/api/v1/admin/${path}`, { credentials: "include", ...options });
          return `${answer.type} ${answer.status}`;
        } catch {
          return "refused";
        }
      };
      return {
        read: await outcome("keys"),
        post: await outcome("keys", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"stream":"live","act":"view"}' }),
        blind: await outcome("session", { method: "POST", mode: "no-cors", body: "{}" }),
      };
    }, server.base);
    assert.deepEqual({ read: tried.read, post: tried.post }, { read: "refused", post: "refused" });
    // The blind one arrives, and is turned away for where it comes from: the server's log says so.
    await until("the log tells of it", () => server.log().some((line) => line.includes("another origin")));
    const keys = await page.evaluate(() => fetch("/api/v1/admin/keys").then((answer) => answer.json()));
    assert.equal(keys.keys.length, 0);
    await stranger.close();
  } finally {
    await foreign.stop();
  }
});

test("who signs out is out, and wrong passwords are limited", limit, async () => {
  await at("sign-out").click();
  await at("password").waitFor();
  assert.equal(await page.evaluate(() => fetch("/api/v1/admin/overview").then(({ status }) => status)), 401);
  const statuses = await page.evaluate(async () => {
    const found = [];
    for (let time = 0; time < 11; time += 1) {
      const answer = await fetch("/api/v1/admin/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"password":"wrong wrong wrong"}' });
      found.push(answer.status);
    }
    return found;
  });
  assert.deepEqual(statuses, [...Array(10).fill(401), 429]);
  await at("password").fill(password);
  await at("sign-in").click();
  await until("the page tells to wait", async () => /\d+ s/.test(await at("problem").textContent()));
});
