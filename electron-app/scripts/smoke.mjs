// Starts the built app and looks whether it came up: the addon loads in Electron run as Node, and the window's page is
// there. For systems whose end-to-end rigs do not exist yet; on Linux `npm test -- --only e2e` says far more.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { addon, app } from "./lib/paths.mjs";
import { hasDisplay, startVirtualDisplay } from "./lib/display.mjs";
import { start, stopAll } from "./lib/run.mjs";
import { SetupError, report, say } from "./lib/steps.mjs";
import { electronRuntime } from "./setup/electron.mjs";

const deadlineMs = 60_000;

function checkAddon({ executable }) {
  const script = `if (typeof require(${JSON.stringify(addon)}).Engine !== "function") throw new Error("the addon has no Engine")`;
  const result = spawnSync(executable, ["-e", script], { env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" }, encoding: "utf8" });
  if (result.status !== 0) throw new SetupError("the addon does not load in Electron", { detail: result.stderr });
  say("✓ the addon loads in Electron run as Node");
}

async function checkWindow({ executable, version }) {
  const env = { ...process.env };
  delete env.ELECTRON_RUN_AS_NODE;
  if (!hasDisplay()) env.DISPLAY = await startVirtualDisplay();
  env.TIDECAST_USER_DATA = fs.mkdtempSync(path.join(os.tmpdir(), "tidecast-smoke-"));
  const root = process.platform === "linux" && process.getuid() === 0;
  const args = [...(root ? ["--no-sandbox"] : []), app, "--remote-debugging-port=0"];
  const child = start(executable, args, { env, stdio: ["ignore", "inherit", "pipe"] });
  try {
    const port = await debuggingPort(child);
    const page = await firstPage(port);
    say(`✓ the window of Electron ${version} shows ${page.title} (${page.url})`);
  } finally {
    await stopAll();
    fs.rmSync(env.TIDECAST_USER_DATA, { recursive: true, force: true, maxRetries: 3 });
  }
}

function debuggingPort(child) {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new SetupError("the app did not start in time", { detail: text })), deadlineMs);
    child.once("close", (code) => reject(new SetupError(`the app ended with ${code}`, { detail: text })));
    child.stderr.on("data", (data) => {
      text = (text + data).slice(-8000);
      const port = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (!port) return;
      clearTimeout(timer);
      resolve(port);
    });
  });
}

// The page is there once it has its title; until then Chromium shows the address in its place.
async function firstPage(port) {
  const end = Date.now() + deadlineMs;
  let seen = [];
  while (Date.now() < end) {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`);
    seen = await response.json();
    const page = seen.find((each) => each.type === "page" && /tidecast/i.test(each.title) && !each.title.includes("://"));
    if (page) return page;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new SetupError("no page of ours appeared", { detail: JSON.stringify(seen, null, 2) });
}

try {
  const runtime = electronRuntime();
  if (!runtime) throw new SetupError("there is no Electron runtime", { hint: "npm run setup --prefix electron-app" });
  checkAddon(runtime);
  await checkWindow(runtime);
} catch (error) {
  report(error);
  process.exitCode = 1;
}
