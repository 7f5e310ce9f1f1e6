// Sources that a person makes in the window: each is added by mouse and keys, seen in the preview, and kept.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { settings, startApp, video720 } from "../rigs/app.mjs";
import { startDisplay } from "../rigs/display.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { until } from "../rigs/wait.mjs";

const limit = { timeout: 90_000 };
let display, pattern, app;

before(async () => {
  display = await startDisplay({ width: 2600, height: 1100 });
  await display.setMonitor("second", 1300, 0, 1300, 1100);
  pattern = await startPattern(display, { width: 640, height: 360, x: 1500, y: 200, title: "Tide pattern" });
  app = await startApp(display, { settings: settings({ video: video720 }) });
}, { timeout: 120_000 });

after(async () => {
  for (const rig of [app, pattern, display]) await Promise.resolve(rig?.stop()).catch(() => {});
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

function near(colour, wanted, by = 24) {
  return colour && colour.every((part, index) => Math.abs(part - wanted[index]) <= by);
}

const own = async () => (await app.bootstrap()).settings.ownSources;

test("a colour is added, captured and seen", limit, async () => {
  await app.click("add-source");
  await app.click("add-color");
  await app.page.evaluate(() => {
    const input = document.querySelector('[data-testid="color-value"]');
    input.value = "#ff8000";
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await app.click("add-source-confirm");
  await until("it is kept", async () => (await own()).includes("color:ff8000"));
  await app.capture("#FF8000");
  await until("orange in the preview", async () => near(await middle(), [255, 128, 0]));
});

test("a text is written in the window, with its look", limit, async () => {
  await app.click("add-source");
  await app.click("add-text");
  await app.click("text-body");
  await app.page.keyboard.type("50% & more?");
  await app.select("text-align", "center");
  await app.click("text-transparent");
  await app.page.evaluate(() => {
    const input = document.querySelector('[data-testid="text-background"]');
    input.value = "#0000ff";
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await app.click("add-source-confirm");
  const id = "text:50%25 %26 more%3F?size=72&color=ffffff&align=center&background=0000ff";
  await until("it is kept", async () => (await own()).includes(id));
  // While something is captured, a source that was just added is changed to.
  await until("it is captured", async () => (await app.bootstrap()).state.sourceId === id);
});

test("a region is dragged on the small picture of a screen, and shows that part", limit, async () => {
  await app.click("add-source");
  await app.select("region-monitor", "x11:monitor:second");
  const box = await until("the small picture", () => app.page.evaluate(() => {
    const area = document.querySelector('[data-testid="region-picker"]')?.getBoundingClientRect();
    return area && area.height > 0 && { x: area.left, y: area.top, width: area.width, height: area.height };
  }));
  // The pattern's window: from (200, 200) on that screen of 1300×1100, 640×360.
  const at = (x, y) => [box.x + (x / 1300) * box.width, box.y + (y / 1100) * box.height];
  // Playwright's mouse can't move with a button held in old Chromium (it wants Input.setInterceptDrags).
  const points = [at(260, 240), at(500, 300), at(700, 500)];
  await app.page.evaluate((way) => {
    const act = (type, [clientX, clientY]) => {
      const target = document.elementFromPoint(clientX, clientY);
      target.dispatchEvent(new MouseEvent(type, { clientX, clientY, button: 0, bubbles: true, cancelable: true }));
    };
    act("mousedown", way[0]);
    for (const point of way) act("mousemove", point);
    act("mouseup", way[way.length - 1]);
  }, points);
  const width = Number(await app.page.evaluate(() => document.querySelector('[data-testid="region-width"]').value));
  assert.ok(Math.abs(width - 440) <= 8, `${width} pixels wide`);
  await app.fill("region-width", "400");
  await app.click("add-source-confirm");
  const id = await until("it is kept", async () => (await own()).find((each) => each.startsWith("region:")));
  const [x, y, wide, high] = id.split(":").pop().split(",").map(Number);
  assert.ok(Math.abs(x - 260) <= 6 && Math.abs(y - 240) <= 6 && wide === 400 && Math.abs(high - 260) <= 8, id);
  const state = await until("it is captured", async () => {
    const { state } = await app.bootstrap();
    return state.sourceId === id && state.area && state;
  });
  assert.deepEqual(state.area, { x: 1300 + x, y, width: 400, height: high });
});

test("a picture file that is not there is refused where it was typed", limit, async () => {
  await app.click("add-source");
  await app.click("add-image");
  await app.fill("image-path", "/nowhere/at all.png");
  await app.click("add-source-confirm");
  const code = await until("the problem", () =>
    app.page.evaluate(() => document.querySelector('[data-testid="add-source-problem"]')?.getAttribute("data-code")));
  assert.equal(code, "picture_missing");
  await app.page.keyboard.press("Escape");
  await until("the dialog closes", async () => !(await app.visible("add-source-dialog")));
});

test("what was added stays, and can be taken out", limit, async () => {
  const before = (await own()).length;
  assert.equal(before, 3);
  await app.click("remove-source");
  await until("one less", async () => (await own()).length === before - 1);
  const listed = await until("the list follows", async () => {
    const kinds = await app.page.evaluate(() => [...document.querySelectorAll('[data-testid="source-item"]')].map((item) => item.dataset.kind));
    return !kinds.includes("color") && kinds;
  });
  assert.ok(listed.includes("text") && listed.includes("region") && listed.includes("game"), listed.join());
});
