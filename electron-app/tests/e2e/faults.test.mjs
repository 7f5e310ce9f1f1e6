// Bad input: each gets a stable code and a hint, is shown, and stops nothing else.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { freePort, handshake, startHostileWhip, startSilentServer, textFrame } from "../rigs/pages.mjs";
import { installReader, startPattern } from "../rigs/pattern.mjs";
import { startServer } from "../rigs/servers.mjs";
import { until, wallClock } from "../rigs/wait.mjs";

const limit = { timeout: 90_000 };
const origin = "tidecast://app";
let display, pattern, app, hostile, silent, server;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, title: "Tide pattern" });
  [app, hostile, silent, server] = await Promise.all([
    startApp(display, { settings: settings({ video: video720 }) }),
    startHostileWhip(),
    startSilentServer(),
    startServer(),
  ]);
  await app.capture("Tide pattern");
  await app.page.evaluate(installReader, { selector: '[data-testid="preview-video"]', content: "cells" });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, server, silent, hostile, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

// Whatever went wrong, the preview goes on.
async function previewGoesOn() {
  const now = wallClock();
  await until("the preview goes on", () => app.page.evaluate((since) => {
    const entry = window.tidecastPattern.latest();
    return entry && entry.stamp > since;
  }, now));
}

afterEach(async () => {
  await app.page.evaluate(() => window.tidecast.endLive());
  await until("not live", async () => ["idle", "failed"].includes((await app.bootstrap()).state.publish.kind));
});

async function publishTo(url, key = "") {
  const before = (await app.seen()).notices.length;
  await app.click("destination-whip");
  await app.fill("whip-url", url);
  if (key) await app.fill("whip-key", key);
  await app.click("go-live");
  return async (codes, deadline = 20_000) => {
    const problem = await until(`one of ${codes.join(", ")} is told`, async () => {
      const { notices, states } = await app.seen();
      const told = notices.slice(before).map((notice) => notice.problem).filter(Boolean);
      const found = told.find((each) => codes.includes(each.code));
      if (!found) throw new Error(JSON.stringify({ told, publish: states[states.length - 1]?.publish, toasts: await app.toasts() }));
      return found;
    }, { deadline });
    assert.ok(problem.message.length > 10 && problem.hint.length > 10, JSON.stringify(problem));
    await until("a toast shows it", async () => (await app.toasts()).some((toast) => toast.length > 10));
    await previewGoesOn();
    return problem;
  };
}

const whipFaults = [
  ["an address where nothing listens", async () => `http://127.0.0.1:${await freePort()}/whip/x`, ["address_unreachable"]],
  ["a host name that does not exist", async () => "http://nowhere.invalid/whip/x", ["address_unreachable"]],
  ["a web page that is not WHIP", async () => hostile.url("/html"), ["not_whip"]],
  ["401", async () => hostile.url("/401"), ["unauthorized"]],
  ["404", async () => hostile.url("/404"), ["not_found"]],
  ["500", async () => hostile.url("/500"), ["server_error"]],
  ["an answer that is not SDP", async () => hostile.url("/garbage"), ["not_sdp"]],
  ["a 201 of another type", async () => hostile.url("/json201"), ["not_whip", "not_sdp"]],
  ["a server that never answers", async () => silent.url, ["no_answer"]],
];

for (const [name, url, codes] of whipFaults) {
  test(`publishing to ${name} is told with a hint, and the preview goes on`, limit, async () => {
    const told = await publishTo(await url());
    await told(codes, 30_000);
  });
}

test("a wrong stream key is told apart, and never shown or logged", limit, async () => {
  const told = await publishTo(server.whip, "wrong-key-value-123456");
  const problem = await told(["unauthorized"]);
  assert.ok(!JSON.stringify(problem).includes("wrong-key-value"));
  assert.ok(!app.output.join("\n").includes("wrong-key-value"));
  assert.ok(!(await app.page.evaluate(() => document.body.textContent)).includes("wrong-key-value"));
});

test("the right key goes live on a server of one's own", limit, async () => {
  await publishTo(server.whip, server.key);
  await until("live", () => app.isLive());
  await until("the server has it", async () => JSON.stringify(await server.streams()).includes("true"));
});

test("an address that is none is refused in the form", limit, async () => {
  await app.click("destination-whip");
  await app.fill("whip-url", "not an address");
  const clicked = await app.click("go-live", { deadline: 1500 }).then(() => true, () => false);
  if (clicked) await until("it is told", async () => (await app.toasts()).length > 0 || (await app.page.evaluate(() => Boolean(document.querySelector("[aria-invalid=true], [role=alert]")))));
  assert.equal(await app.isLive(), false);
  await previewGoesOn();
});

test("the local signalling refuses a foreign origin, a missing and a reused token", limit, async () => {
  const endpoint = async () => (await app.page.evaluate(() => window.tidecast.openPreview())).value;
  const { url, token } = await endpoint();
  const status = async (address, options) => {
    const { status, socket } = await handshake(address.replace(/^ws/, "http"), options);
    socket?.destroy();
    return status;
  };
  assert.ok([401, 403].includes(await status(url, { origin })), "no token");
  assert.ok([401, 403].includes(await status(`${url}?token=wrong`, { origin })), "wrong token");
  assert.equal(await status(`${url}?token=${token}`, { origin: "https://evil.example" }), 403, "foreign origin");
  const second = await endpoint();
  assert.ok([401, 403].includes(await status(`${second.url}?token=${second.token}`, {})), "no origin");
  const third = await endpoint();
  assert.equal(await status(`${third.url}?token=${third.token}`, { origin }), 101, "the right one");
  assert.ok([401, 403].includes(await status(`${third.url}?token=${third.token}`, { origin })), "the same once more");
  await previewGoesOn();
});

test("malformed messages on the local signalling end that connection alone", limit, async () => {
  for (const message of ["{", '{"type":"shutdown"}', '{"type":"answer","sdp":"nonsense"}', "x".repeat(60_000)]) {
    const { url, token } = (await app.page.evaluate(() => window.tidecast.openPreview())).value;
    const { status, socket } = await handshake(`${url}?token=${token}`.replace(/^ws/, "http"), { origin });
    assert.equal(status, 101);
    let received = "";
    let closed = false;
    socket.on("data", (data) => (received += data.toString("latin1"))).on("close", () => (closed = true));
    socket.write(textFrame(message));
    await until(`an error or a close for ${message.slice(0, 20)}`, () => closed || /"error"|\x88/.test(received));
    socket.destroy();
  }
  assert.equal(app.hosts().length, 1);
  await previewGoesOn();
});

test("a minimised window pauses the stream with its reason, and goes on when it is back", limit, async () => {
  pattern.send("minimise");
  const paused = await until("paused", async () => {
    const { capture } = (await app.bootstrap()).state;
    return capture.kind === "paused" && capture;
  });
  assert.equal(paused.code, "source_minimised");
  pattern.send("raise");
  await until("capturing again", async () => (await app.bootstrap()).state.capture.kind === "capturing");
  await previewGoesOn();
});

test("a game that keeps the screen to itself is explained, with what to change", limit, async () => {
  // No program can have an X server's screen so: what the engine says of one on Windows is put in at main's door to the
  // page. That the engine says it is the capture's own test.
  const { state } = await app.bootstrap();
  const tell = (name, message) => app.app.evaluate(({ BrowserWindow }, [channel, told]) => {
    BrowserWindow.getAllWindows()[0].webContents.send(channel, told);
  }, [`tidecast:${name}`, message]);
  const problem = { code: "exclusive_full_screen", message: "the program that fills the screen keeps its picture to itself (exclusive full screen)", hint: "Set the game to borderless." };
  await tell("state", { ...state, sourceId: "win:game", capture: { kind: "paused", code: problem.code } });
  await tell("notice", { kind: "warning", problem });
  const card = await until("the card", async () => ((await app.text("preview-card"))?.includes("exclusive full screen") ? app.text("preview-card") : undefined));
  assert.match(card, /borderless or windowed full screen in its own graphics settings/);
  await until("the notice", async () => (await app.toasts()).some((text) => text.includes("keeps its picture to itself") && text.includes("borderless")));
  const place = process.env.TIDECAST_SHOT;
  if (place) await app.page.screenshot({ path: `${place}/exclusive.png` });
  await tell("state", state);
  await previewGoesOn();
});

test("a closed window is told, and another source can be chosen", limit, async () => {
  await pattern.stop();
  const lost = await until("lost", async () => {
    const { capture } = (await app.bootstrap()).state;
    return capture.kind === "lost" && capture;
  });
  assert.equal(lost.code, "source_closed");
  await until("a toast shows it", async () => (await app.toasts()).length > 0);
  pattern = await startPattern(display, { width: 1280, height: 720, x: 1300, y: 20, title: "Second pattern" });
  await app.choose("Second pattern");
  if (await app.visible("start")) await app.click("start");
  await until("capturing again", async () => (await app.bootstrap()).state.capture.kind === "capturing");
  await previewGoesOn();
});
