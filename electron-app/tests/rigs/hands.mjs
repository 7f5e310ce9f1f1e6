// A person's hands on a page: real mouse and keyboard events, aimed by the page's own geometry.
//
// Playwright's own locators need `checkVisibility`, which old Chromium (83, in Electron 9) does not have in the
// world they run in. What runs in the page here is plain enough for it: no `??=`, no `.at`, no `replaceAll`.

import { until, wallClock } from "./wait.mjs";

/** Runs in the page: where to click on an element, or why not. */
function aim({ id, text }) {
  const all = [...document.querySelectorAll(`[data-testid="${id}"]`)];
  const element = text === undefined ? all[0] : all.find((each) => each.textContent.includes(text));
  if (!element) return { refused: `none of ${all.length} elements` };
  element.scrollIntoView({ block: "center", inline: "center" });
  if (element.disabled || element.getAttribute("aria-disabled") === "true") return { refused: "disabled" };
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.height === 0) return { refused: "has no size" };
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const top = document.elementFromPoint(x, y);
  const label = element.closest("label");
  if (!top || !(element.contains(top) || top.contains(element) || (label && label.contains(top)))) {
    return { refused: `covered by ${top ? top.outerHTML.slice(0, 120) : "nothing"}` };
  }
  return { x, y, left: box.left, top: box.top };
}

/**
 * Clicks an element by its test id (and a text in it); waits until it is there, enabled and uncovered. Gives the moment
 * of the click, wall clock ms.
 */
export async function click(page, id, { text, deadline = 10_000 } = {}) {
  let before;
  const target = await until(`${id}${text ? ` "${text}"` : ""} can be clicked`, async () => {
    const found = await page.evaluate(aim, { id, text });
    if (found.refused) throw new Error(found.refused);
    // It must rest: an element that slides in is where it was, not where it will be.
    const rests = before && before.left === found.left && before.top === found.top;
    before = found;
    return rests && found;
  }, { deadline });
  const at = wallClock();
  await page.mouse.click(target.x, target.y);
  return at;
}

/** Writes into a field as a person does: click, select all, type, Enter. */
export async function fill(page, id, value) {
  await click(page, id);
  await page.keyboard.press("Control+A");
  if (String(value) === "") await page.keyboard.press("Delete");
  else await page.keyboard.type(String(value));
  await page.keyboard.press("Enter");
  await page.evaluate(() => document.activeElement && document.activeElement.blur());
}

/** Chooses in a `<select>` by value or by visible text. */
export async function choose(page, id, wanted) {
  const done = await until(`${id} offers ${wanted}`, () => page.evaluate(({ id, wanted }) => {
    const select = document.querySelector(`[data-testid="${id}"]`);
    if (!select || select.disabled) return undefined;
    const option = [...select.options].find((each) => each.value === wanted || each.textContent.includes(wanted));
    if (!option) return undefined;
    select.value = option.value;
    select.dispatchEvent(new Event("input", { bubbles: true }));
    select.dispatchEvent(new Event("change", { bubbles: true }));
    return option.value || "empty";
  }, { id, wanted }));
  return done;
}
