// A screen for a machine that has none: Xvfb on a free display, a small window manager, and a window in which
// something moves. Programs on that screen like any other: the app captures them as it would a desktop.

import { once } from "node:events";
import readline from "node:readline";
import { program } from "./paths.mjs";
import { start } from "./run.mjs";
import { SetupError } from "./steps.mjs";
import fs from "node:fs";

/** Whether the app can open a window here. macOS and Windows always have a screen. */
export function hasDisplay(env = process.env, platform = process.platform) {
  return platform !== "linux" || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY);
}

const startupMs = 20_000;

/**
 * Starts the virtual screen and returns its name, for example `:99`. `size` is `WIDTHxHEIGHT` in pixels.
 * Everything it starts ends with this process.
 */
export async function startVirtualDisplay(size = "1920x1080") {
  // -displayfd makes Xvfb choose a free number and tell it: no fixed display, no race.
  const args = ["-displayfd", "3", "-screen", "0", `${size}x24`, "-nolisten", "tcp", "-noreset"];
  const xvfb = start("Xvfb", args, { stdio: ["ignore", "ignore", "pipe", "pipe"] });
  const display = `:${await firstLine(xvfb, xvfb.stdio[3], "Xvfb")}`;
  const env = { ...process.env, DISPLAY: display };
  // A window list for the app's window capture; without a manager the screen works all the same.
  start("openbox", [], { env, stdio: "ignore" }).on("error", () => {});
  return display;
}

/** Something that moves, in the lower right quarter of `display`. */
export async function startMovingWindow(display) {
  const mover = program("time-pattern");
  if (!fs.existsSync(mover)) throw new SetupError(`${mover} was not built`, { hint: "delete electron-app/.setup and run the same command again" });
  const args = ["--size", "960x540", "--position", "960,540", "--fps", "30", "--content", "motion", "--override-redirect"];
  const child = start(mover, args, { env: { ...process.env, DISPLAY: display }, stdio: ["ignore", "pipe", "pipe"] });
  await firstLine(child, child.stdout, "time-pattern");
}

async function firstLine(child, stream, name) {
  let complaints = "";
  child.stderr.on("data", (text) => {
    complaints = (complaints + text).slice(-2000);
  });
  const lines = readline.createInterface({ input: stream });
  const line = once(lines, "line", { signal: AbortSignal.timeout(startupMs) }).then(([text]) => text.trim());
  const gone = once(child, "close").then(([code, signal]) => {
    throw new Error(`it ended (${code ?? signal})`);
  });
  gone.catch(() => {}); // after start-up its end is not this function's business
  try {
    return await Promise.race([line, gone]);
  } catch (error) {
    const hint = "install the packages xvfb and openbox, or set DISPLAY to a screen";
    throw new SetupError(`${name} did not start: ${error.message}`, { hint, detail: complaints });
  }
}
