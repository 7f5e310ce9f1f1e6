// A private X server with a window manager, on a display number that it picks itself.

import { execFile } from "node:child_process";
import fs from "node:fs";
import { promisify } from "node:util";
import { start } from "../../scripts/lib/run.mjs";
import { freshFolder, stop, systems } from "./programs.mjs";
import { until } from "./wait.mjs";

const exec = promisify(execFile);

/** Starts it; gives `{ display, env, setMonitor, activeWindows, stop }`. Sizes in pixels. */
export async function startDisplay({ width = 1920, height = 1080, windowManager = true } = {}) {
  systems("Xvfb", "xvfb");
  const folder = freshFolder("x");
  const log = fs.openSync(`${folder}/xvfb.log`, "w");
  const server = start("Xvfb", ["-displayfd", "3", "-screen", "0", `${width}x${height}x24`, "-nolisten", "tcp", "-noreset"], {
    stdio: ["ignore", log, log, "pipe"],
  });
  let number = "";
  server.stdio[3].on("data", (data) => (number += data));
  await until("Xvfb names its display", () => {
    if (server.exitCode !== null) throw new Error(fs.readFileSync(`${folder}/xvfb.log`, "utf8"));
    return number.includes("\n");
  });
  const display = `:${number.trim()}`;
  const env = { ...process.env, DISPLAY: display, XAUTHORITY: `${folder}/none` };
  delete env.WAYLAND_DISPLAY;
  delete env.XDG_SESSION_TYPE;
  let manager;
  if (windowManager) {
    systems("openbox");
    manager = start("openbox", [], { env, stdio: ["ignore", log, log] });
    systems("xprop", "x11-utils");
    await until("openbox manages the display", async () => {
      const { stdout } = await exec("xprop", ["-root", "_NET_SUPPORTING_WM_CHECK"], { env });
      return stdout.includes("window id");
    });
  }
  return {
    display,
    env,
    pid: server.pid,
    width,
    height,
    /** Declares a monitor of its own for a part of the screen: a second screen for the price of none. */
    setMonitor: (name, x, y, w, h) =>
      exec("xrandr", ["--setmonitor", name, `${w}/${Math.round(w / 4)}x${h}/${Math.round(h / 4)}+${x}+${y}`, "none"], { env }),
    xdotool: (...args) => exec(systems("xdotool"), args.map(String), { env }).then(({ stdout }) => stdout.trim()),
    screenshot: (file) => exec(systems("import", "imagemagick"), ["-window", "root", file], { env }),
    async stop() {
      await stop(manager);
      await stop(server);
      fs.closeSync(log);
    },
  };
}
