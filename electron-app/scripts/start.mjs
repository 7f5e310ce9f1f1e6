// `npm start`: sets up what is missing, then opens the app. Where there is no screen it runs the same app on a
// virtual one, live to the local server, and prints the viewer's link. Arguments it does not know go to the app.
//
//   --yes     never ask before installing system packages
//   --demo    use the virtual screen even where there is a real one

import readline from "node:readline";
import { app } from "./lib/paths.mjs";
import { hasDisplay, startMovingWindow, startVirtualDisplay } from "./lib/display.mjs";
import { start, stopAll } from "./lib/run.mjs";
import { SetupError, report, say } from "./lib/steps.mjs";
import { electronRuntime } from "./setup/electron.mjs";
import { setup } from "./setup.mjs";

const ours = ["--yes", "--demo"];

async function main() {
  const args = process.argv.slice(2);
  const demo = args.includes("--demo") || !hasDisplay();
  await setup({ yes: args.includes("--yes"), display: demo });
  const flags = args.filter((each) => !ours.includes(each));
  process.exitCode = demo ? await runOnVirtualDisplay(flags) : await runApp(flags, process.env);
}

async function runOnVirtualDisplay(flags) {
  if (process.platform !== "linux") throw new SetupError("the virtual screen exists on Linux only", { hint: "run without --demo" });
  say(hasDisplay() ? "\nStarting a virtual screen." : "\nThere is no screen here (DISPLAY is not set): starting a virtual one.");
  const display = await startVirtualDisplay();
  await startMovingWindow(display);
  say(`The app runs on the virtual screen ${display} and goes live by itself. Ctrl-C ends everything.`);
  const { WAYLAND_DISPLAY: _, ...env } = process.env;
  return runApp([...flags, "--demo"], { ...env, DISPLAY: display });
}

/** Runs the app until it ends; resolves to its exit code. */
async function runApp(flags, env) {
  const runtime = electronRuntime();
  const root = process.platform === "linux" && process.getuid() === 0;
  // Chromium refuses to run its sandbox as root.
  if (root) say("You are root: the app runs without Chromium's sandbox (--no-sandbox). Better use an account of your own.");
  // ELECTRON_RUN_AS_NODE, inherited from an editor's terminal, would turn the app into a bare Node.
  const { ELECTRON_RUN_AS_NODE: _, ...clean } = env;
  const args = [...(root ? ["--no-sandbox"] : []), app, ...flags];
  const child = start(runtime.executable, args, { env: clean, stdio: ["ignore", "pipe", "inherit"] });
  readline.createInterface({ input: child.stdout }).on("line", showLine);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (signal) say(`The app was ended by ${signal}.`);
      resolve(code ?? 1);
    });
  });
}

function showLine(line) {
  const link = /^TIDECAST_VIEW_URL (\S+)/.exec(line);
  if (!link) return say(line);
  say(`\n  Live. Watch it in a browser: ${link[1]}\n`);
}

try {
  await main();
} catch (error) {
  report(error);
  process.exitCode = 1;
}
// The virtual screen would keep us alive.
await stopAll();
