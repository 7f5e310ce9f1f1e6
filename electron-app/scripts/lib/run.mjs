// Runs child processes so that none outlives us: each in a process group of its own, its output in a log file,
// ended by process id when we end. Never ends anything by name.

import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const children = new Set();
const windows = process.platform === "win32";

let ending = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, async () => {
    const code = signal === "SIGINT" ? 130 : 143;
    if (ending) process.exit(code); // asked twice: at once
    ending = true;
    await stopAll();
    process.exit(code);
  });
}
process.on("exit", () => {
  for (const child of children) end(child, "SIGKILL");
});

/** Ends all children politely: last started, first ended, the app before the virtual display that it runs on. */
export async function stopAll() {
  for (const child of [...children].reverse()) await stop(child);
}

/** Signals a child and whatever it started in its process group. */
export function end(child, signal = "SIGTERM") {
  try {
    if (windows || !child.grouped) child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // it has ended by itself
  }
}

/** Starts a child that is ended when we end. `options` are those of `child_process.spawn`. */
export function start(command, args, options = {}) {
  const grouped = !windows && options.grouped !== false;
  // npm and its programs are .cmd files on Windows, which only a shell starts.
  const child = spawn(command, args, { ...options, detached: grouped, shell: windows && needsShell(command) });
  child.grouped = grouped;
  children.add(child);
  child.once("close", () => children.delete(child));
  child.once("error", () => children.delete(child));
  return child;
}

function needsShell(command) {
  return ["npm", "npx"].includes(command) || command.endsWith(".cmd");
}

/** Ends a child politely, then by force after `patience` ms; resolves once it is gone. */
export async function stop(child, patience = 5000) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("close", resolve));
  end(child, "SIGTERM");
  const timer = setTimeout(() => end(child, "SIGKILL"), patience);
  await gone;
  clearTimeout(timer);
}

/**
 * Runs a command to its end with stdout and stderr in one log file, in the order in which they were written.
 * `onLine` sees each line as it comes. Resolves to `{ code, signal, timedOut, log, text }`; `code` is null after a
 * signal; `error` says why it could not be started. `timeout` is in ms.
 */
export function run(command, args, { log, onLine, timeout, cwd, env } = {}) {
  fs.mkdirSync(path.dirname(log), { recursive: true });
  const fd = fs.openSync(log, "w");
  return new Promise((resolve) => {
    let timedOut = false;
    const child = start(command, args, { cwd, env, stdio: ["ignore", fd, fd] });
    const follower = follow(log, onLine);
    const timer = timeout && setTimeout(() => {
      timedOut = true;
      end(child, "SIGKILL");
    }, timeout);
    let finished = false;
    const finish = (result) => {
      if (finished) return; // a program that can't be started is told by `error` and then by `close`
      finished = true;
      clearTimeout(timer);
      fs.closeSync(fd);
      follower.finish();
      resolve({ code: null, signal: null, timedOut, log, text: fs.readFileSync(log, "utf8"), ...result });
    };
    child.once("error", (error) => finish({ error }));
    child.once("close", (code, signal) => finish({ code, signal }));
  });
}

// A file, not a pipe: two pipes (stdout, stderr) lose the order between them, which the test counts rely on.
function follow(file, onLine) {
  if (!onLine) return { finish() {} };
  const fd = fs.openSync(file, "r");
  const chunk = Buffer.alloc(1 << 16);
  let rest = "";
  const pump = () => {
    for (let size; (size = fs.readSync(fd, chunk, 0, chunk.length, null)) > 0; ) {
      const lines = (rest + chunk.toString("utf8", 0, size)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line.replace(/\r$/, ""));
    }
  };
  const timer = setInterval(pump, 200);
  return {
    finish() {
      clearInterval(timer);
      pump();
      if (rest) onLine(rest);
      fs.closeSync(fd);
    },
  };
}

/** The last `count` lines that say something. */
export function tail(text, count = 30) {
  return text.split("\n").map((line) => line.trimEnd()).filter(Boolean).slice(-count).join("\n");
}

/** How a finished run failed, in one sentence; undefined if it did not. */
export function failure(result) {
  if (result.error) return `could not be started: ${result.error.message}`;
  if (result.timedOut) return "took too long and was ended";
  if (result.signal) return `was ended by ${result.signal}`;
  return result.code === 0 ? undefined : `ended with code ${result.code}`;
}

/** Whether a program of that name is on the PATH. */
export function onPath(name) {
  const names = windows ? [`${name}.exe`, `${name}.cmd`] : [name];
  const folders = (process.env.PATH ?? "").split(path.delimiter).filter(Boolean);
  return folders.some((folder) => names.some((each) => isProgram(path.join(folder, each))));
}

function isProgram(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
