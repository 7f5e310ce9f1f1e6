// The live server's admin pages in Chromium, against the real server: what a stream that ffmpeg really publishes looks
// like there, and what can be done to it. Nothing is made up: keys that are made open, keys that are revoked don't.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
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

before(async () => {
  folder = freshFolder("admin");
  const rtmpPort = await freePort();
  display = await startDisplay({ width: 1300, height: 900 });
  server = await startServer({
    more: `[streams.second]\npublish_key = "${publishKey}"\n[rtmp]\nlisten = "127.0.0.1:${rtmpPort}"\n[admin]\nfolder = "${path.join(folder, "state")}"\n`,
  });
  rtmp = `rtmp://127.0.0.1:${rtmpPort}/app/live`;
  chromium = await startChromium(display, { width: 1280, height: 850 });
  page = await chromium.firstPage();
}, { timeout: 60_000 });

after(async () => {
  for (const rig of [...publishers, chromium && { stop: chromium.close }, server, display]) {
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
  await until("the last publisher is gone", async () => !(await isLive()) && (await at("session-publish").count()) === 0);
  const publisher = publish(publishKey);
  await until("it publishes", isLive, { deadline: 30_000 });
  await at("send-away-publish").click();
  await at("keep-out").selectOption("60");
  await at("send-away-now").click();
  await until("the page says so", async () => (await at("toast").textContent()).includes("has ended"));
  await until("it is gone", () => publisher.ended(), { deadline: 20_000 }).catch((error) => { throw new Error(`${error.message}: ${server.log().slice(-12).join(" | ")}`); });
  await until("and the stream not live", async () => !(await isLive()));
  const again = publish(publishKey);
  await until("it is kept out", () => again.ended(), { deadline: 20_000 });
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
