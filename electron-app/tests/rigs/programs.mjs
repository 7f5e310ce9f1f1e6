// The programs that the rigs are made of: found or the test fails with what to do, started so that none outlives us.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { cargoTargetDir, program } from "../../scripts/lib/paths.mjs";
import { onPath, start, stop } from "../../scripts/lib/run.mjs";
import { until } from "./wait.mjs";

export { stop };

/** A program of our own workspace, built. */
export function ours(name) {
  const places = [program(name), path.join(cargoTargetDir(), "debug", name)];
  const newest = places
    .filter((place) => fs.existsSync(place))
    .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs)[0];
  if (!newest) throw new Error(`${name} is not built (looked at ${places.join(", ")}): cargo build --workspace`);
  return newest;
}

/** A program of the system. */
export function systems(name, debianPackage = name) {
  if (!onPath(name)) throw new Error(`${name} is missing: install the Debian package ${debianPackage}`);
  return name;
}

const folders = [];
process.on("exit", () => {
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** A fresh folder of this run, removed at the end of the process. */
export function freshFolder(purpose) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `tidecast-${purpose}-`));
  folders.push(folder);
  return folder;
}

/**
 * Starts a program that talks in lines. Gives `{ child, lines, send, waitLine, stop, errors }`; its stderr is kept
 * for the message when it ends before its time.
 */
export function talk(command, args, options = {}) {
  const child = start(command, args, { stdio: ["pipe", "pipe", "pipe"], ...options });
  const lines = [];
  const errors = [];
  let failure;
  child.once("error", (error) => (failure = error));
  child.stdin?.on("error", () => {}); // it ended while we wrote: waitLine tells
  readline.createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  readline.createInterface({ input: child.stderr }).on("line", (line) => {
    errors.push(line);
    if (errors.length > 400) errors.shift();
  });
  const ended = () => failure ?? (child.exitCode !== null || child.signalCode !== null);
  return {
    child,
    lines,
    errors,
    ended,
    send: (line) => child.stdin.write(`${line}\n`),
    stop: () => stop(child),
    /** The first line from index `from` on for which `match` gives something; its result. */
    waitLine: (what, match, { from = 0, deadline = 15_000 } = {}) =>
      until(what, () => {
        for (const line of lines.slice(from)) {
          const found = match(line);
          if (found) return found;
        }
        if (ended()) throw new Error(`${path.basename(command)} ended (${child.exitCode ?? child.signalCode ?? failure?.message}): ${errors.slice(-8).join(" | ")}`);
        return undefined;
      }, { deadline, every: 10 }),
  };
}

/** A line of JSON, or undefined. */
export function json(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Processor time of a process and its threads so far, ms (utime + stime of /proc/PID/stat). */
export function cpuOf(pid) {
  const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10; // USER_HZ is 100 on every Linux that Node runs on
}

/** Resident memory of a process, MiB. */
export function memoryOf(pid) {
  const pages = Number(fs.readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return (pages * 4096) / 2 ** 20;
}

/** A process and all that descend from it. */
export function family(pid) {
  const children = new Map();
  for (const entry of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const text = fs.readFileSync(`/proc/${entry}/stat`, "utf8");
      const parent = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // it ended while we looked
    }
  }
  const found = [];
  const visit = (id) => {
    found.push(id);
    for (const child of children.get(id) ?? []) visit(child);
  };
  visit(pid);
  return found;
}

/** The command line of a process. */
export function commandLine(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
