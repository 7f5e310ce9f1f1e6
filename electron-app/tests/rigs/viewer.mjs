// Chromium, as a viewer has it.

import { chromium } from "playwright-core";
import { freshFolder, systems } from "./programs.mjs";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-extensions",
  // Tests watch pages that lie behind others.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/**
 * Starts Chromium on a display; gives `{ newPage, close }`. `sound`: the environment of a sound rig, else it plays
 * into nothing. Autoplay with sound is allowed unless `autoplay` is false.
 */
export async function startChromium(display, { sound, args = [], width = 1024, height = 700, x = 0, y = 0, autoplay = true } = {}) {
  const env = { ...display.env, ...sound };
  const context = await chromium.launchPersistentContext(freshFolder("chromium"), {
    executablePath: `/usr/bin/${systems("chromium")}`,
    headless: false,
    ignoreDefaultArgs: ["--mute-audio", "--hide-scrollbars", "--enable-automation"],
    args: [
      ...flags,
      ...(autoplay ? ["--autoplay-policy=no-user-gesture-required"] : []),
      `--window-size=${width},${height}`,
      `--window-position=${x},${y}`,
      ...args,
    ],
    env,
    viewport: null,
  });
  return {
    context,
    newPage: () => context.newPage(),
    firstPage: () => context.pages()[0] ?? context.newPage(),
    close: () => context.close(),
  };
}
