// The real app in a real Electron window, driven through its page as a person would.

import fs from "node:fs";
import path from "node:path";
import { _electron } from "playwright-core";
import { app as appFolder } from "../../scripts/lib/paths.mjs";
import { electronRuntime } from "../../scripts/setup/electron.mjs";
import * as hands from "./hands.mjs";
import { commandLine, family, freshFolder } from "./programs.mjs";
import { until } from "./wait.mjs";

/** Settings with which an app starts; what a test doesn't name is the default. */
export function settings(changes = {}) {
  return {
    version: 1,
    language: "en",
    theme: "dark",
    cursor: false,
    audio: {
      systemSound: false,
      microphoneMuted: false,
      systemMuted: false,
      microphoneVolume: 1,
      systemVolume: 1,
      ...changes.audio,
    },
    destination: "local",
    whipUrl: "",
    ...without(changes, "audio"),
  };
}

function without(object, key) {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}

/** The video settings most tests start with: cheap enough for two busy cores. */
export const video720 = { width: 1280, height: 720, fps: 30, kbps: 4000, gopSeconds: 2 };

/**
 * Starts the app with a user folder of its own. `settings`: an object (written as the settings file), a string
 * (written as it is), or absent (a first run). `executable`: a packaged app instead of the source tree's.
 */
export async function startApp(display, { sound, settings: wanted, userData = freshFolder("user"), executable, env = {}, args = [] } = {}) {
  if (wanted !== undefined) {
    fs.mkdirSync(userData, { recursive: true });
    fs.writeFileSync(path.join(userData, "settings.json"), typeof wanted === "string" ? wanted : JSON.stringify(wanted));
  }
  const runtime = executable ? { executable } : electronRuntime();
  if (!runtime) throw new Error("there is no Electron runtime: npm run setup --prefix electron-app");
  const started = performance.now();
  const app = await _electron.launch({
    executablePath: runtime.executable,
    args: ["--no-sandbox", ...(executable ? [] : [appFolder]), ...args],
    env: { ...display.env, ...sound, TIDECAST_USER_DATA: userData, TIDECAST_LOG: "info", ...env },
    timeout: 60_000,
  });
  const pid = app.process().pid;
  const output = [];
  for (const stream of [app.process().stdout, app.process().stderr]) {
    stream?.setEncoding("utf8").on("data", (text) => output.push(...text.split("\n").filter(Boolean)));
  }
  const page = await app.firstWindow({ timeout: 60_000 });
  await page.waitForLoadState("domcontentloaded");
  await page.evaluate(collect);
  const hosts = () => family(pid).filter((id) => commandLine(id).some((word) => word.endsWith("host.js")));
  return new RunningApp({ app, page, pid, userData, output, hosts, started });
}

/** Runs in the page: keeps what main tells it, for the tests to read. */
function collect() {
  if (window.tidecastSeen) return;
  const seen = { states: [], stats: [], notices: [], hosts: [] };
  window.tidecastSeen = seen;
  window.tidecast.onState((state) => seen.states.push({ at: Date.now(), ...state }));
  window.tidecast.onStats((stats) => seen.stats.push({ at: Date.now(), ...stats }));
  window.tidecast.onNotice((notice) => seen.notices.push({ at: Date.now(), ...notice }));
  window.tidecast.onHost((host) => seen.hosts.push({ at: Date.now(), ...host }));
}

class RunningApp {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** What main says is so. */
  async bootstrap() {
    const answer = await this.page.evaluate(() => window.tidecast.bootstrap());
    if (!answer.ok) throw new Error(answer.problem.message);
    return answer.value;
  }

  async sources() {
    const answer = await this.page.evaluate(() => window.tidecast.listSources());
    if (!answer.ok) throw new Error(answer.problem.message);
    return answer.value;
  }

  /** Loads the page again; the engine goes on. */
  async reload() {
    await this.page.reload();
    await this.page.waitForLoadState("domcontentloaded");
    await this.page.evaluate(collect);
  }

  seen() {
    return this.page.evaluate(() => window.tidecastSeen);
  }

  async lastStats() {
    return this.page.evaluate(() => window.tidecastSeen.stats[window.tidecastSeen.stats.length - 1]);
  }

  /** Figures of full seconds from now on. */
  async nextStats(count = 1, deadline = 15_000) {
    const from = (await this.seen()).stats.length;
    return until(`${count} seconds of figures`, async () => {
      const stats = (await this.seen()).stats.slice(from);
      return stats.length >= count && stats.slice(0, count);
    }, { deadline });
  }

  click(id, options) {
    return hands.click(this.page, id, options);
  }

  fill(id, value) {
    return hands.fill(this.page, id, value);
  }

  select(id, value) {
    return hands.choose(this.page, id, value);
  }

  async text(id) {
    return this.page.evaluate((test) => document.querySelector(`[data-testid="${test}"]`)?.textContent ?? undefined, id);
  }

  async visible(id) {
    return this.page.evaluate((test) => {
      const element = document.querySelector(`[data-testid="${test}"]`);
      if (!element) return false;
      const { width, height } = element.getBoundingClientRect();
      return width > 0 && height > 0 && getComputedStyle(element).visibility !== "hidden";
    }, id);
  }

  /** Every toast now, as text. */
  toasts() {
    return this.page.evaluate(() => [...document.querySelectorAll('[data-testid="toast"]')].map((toast) => toast.textContent));
  }

  /** Chooses what is captured by its title, in the list. */
  async choose(title) {
    await this.click("source-item", { text: title, deadline: 20_000 });
  }

  /** Chooses, presses Start, waits for the picture in the preview (`preview` false: only for the capture). */
  async capture(title, { preview = true } = {}) {
    await this.choose(title);
    await this.click("start");
    await until("capturing", async () => (await this.bootstrap()).state?.capture.kind === "capturing");
    if (preview) await this.previewMoves();
  }

  async previewMoves(deadline = 15_000) {
    await until("the preview has a picture", () => this.page.evaluate(() => {
      const video = document.querySelector('[data-testid="preview-video"]');
      return video && video.videoWidth > 0 && video.currentTime > 0 && !video.paused;
    }), { deadline });
  }

  /** Goes live to the local server through the window; gives the viewer's page on this machine. */
  async goLive() {
    await this.click("go-live");
    const state = await until("live", async () => {
      const { state } = await this.bootstrap();
      return state?.publish.kind === "live" && state.viewLink && state;
    });
    return state.viewLink.loopbackUrl;
  }

  async isLive() {
    return (await this.bootstrap()).state?.publish.kind === "live";
  }

  async stop() {
    const processes = family(this.pid);
    await this.page.evaluate(() => window.tidecast.endLive()).catch(() => {});
    await this.app.evaluate(({ app }) => setTimeout(() => app.exit(0), 0)).catch(() => {});
    const gone = () => !alive(this.pid);
    await until("the app ends", gone, { deadline: 8000 }).catch(() => {});
    for (const id of processes.reverse()) {
      if (!alive(id)) continue;
      try {
        process.kill(id, "SIGKILL");
      } catch {
        // it has just ended
      }
    }
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
