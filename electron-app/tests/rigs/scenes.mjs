// The scenes of the window, as a hand has them.

import fs from "node:fs";
import { until } from "./wait.mjs";

/** Gives the window a scene file, as its file chooser would. */
export async function offerFile(page, name, content) {
  await page.evaluate(({ name, content }) => {
    const input = document.querySelector('[data-testid="scene-file"]');
    const data = new DataTransfer();
    data.items.add(new File([content], name, { type: "application/json" }));
    input.files = data.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, { name, content });
}

/** What `act` makes the window save, once it is whole: in `file`, where a person would choose a place in a dialog. */
export async function savedAs(app, file, act) {
  await app.app.evaluate(({ BrowserWindow }, path) => {
    const { session } = BrowserWindow.getAllWindows()[0].webContents;
    session.once("will-download", (_event, item) => item.setSavePath(path));
  }, file);
  await act();
  return until("the file is saved", () => JSON.parse(fs.readFileSync(file, "utf8")));
}

/**
 * A mouse that can move with a button held. Playwright's can't in old Chromium (it wants Input.setInterceptDrags); the
 * browser's own protocol can, and makes real pointer events of it.
 */
export async function startHand(page) {
  const session = await page.context().newCDPSession(page);
  const act = (type, [x, y], button, buttons) =>
    session.send("Input.dispatchMouseEvent", { type, x, y, button, buttons, clickCount: type === "mouseMoved" ? 0 : 1 });
  return {
    async drag(from, to, steps = 6) {
      await act("mousePressed", from, "left", 1);
      for (let step = 1; step <= steps; step += 1) {
        await act("mouseMoved", from.map((value, axis) => value + ((to[axis] - value) * step) / steps), "left", 1);
      }
      await act("mouseReleased", to, "left", 0);
    },
    async rightClick(at) {
      await act("mousePressed", at, "right", 2);
      await act("mouseReleased", at, "right", 0);
    },
  };
}

/** The middles of all elements with that test id, once they rest; `find`: one of those, by its text. */
export async function middles(page, id) {
  let last;
  return until(`${id} rests`, async () => {
    const found = await page.evaluate((test) => [...document.querySelectorAll(`[data-testid="${test}"]`)].map((each, index) => {
      if (index === 0) each.scrollIntoView({ block: "center" });
      const { left, top, width, height } = each.getBoundingClientRect();
      return { text: each.textContent, at: [left + width / 2, top + height / 2], top, height };
    }), id);
    const before = last;
    last = JSON.stringify(found);
    return before === last && found.length > 0 && found;
  });
}
