// What a run leaves behind under `rust-native/benches/results`: a page of tables, a plot, and the samples themselves.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root, rust } from "../../scripts/lib/paths.mjs";
import { ffmpegArgs, gstreamerArgs, tidecastArgs } from "./peers.mjs";
import { bars } from "./plot.mjs";
import { sizes } from "./matrix.mjs";
import { at, middle, unlike } from "./statistics.mjs";

const peers = ["tidecast", "ffmpeg", "gstreamer", "chromium"];

/** Writes them; gives their names, from the project's root. */
export function writeReport({ folder = path.join(rust, "benches", "results"), ...run }) {
  fs.mkdirSync(folder, { recursive: true });
  const files = { "latest.md": page(run, about()), "latest.json": `${JSON.stringify(run.figures, null, 1)}\n` };
  if (run.matrix?.length > 0) {
    files["latest.svg"] = plot(run.matrix);
    files["latest-samples.json"] = `${JSON.stringify(run.matrix)}\n`;
  }
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
  return Object.keys(files).map((name) => path.relative(root, path.join(folder, name)));
}

/** What it ran on. */
function about() {
  const version = (command, args) => {
    try {
      return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n")[0].trim();
    } catch {
      return "not there";
    }
  };
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: version("git", ["-C", root, "describe", "--always", "--dirty"]),
    machine: `${os.cpus()[0]?.model ?? "?"}, ${os.cpus().length} processors, ${os.type()} ${os.release()}`,
    programs: [
      version("ffmpeg", ["-version"]).replace(/ Copyright.*/, ""),
      version("gst-launch-1.0", ["--version"]),
      version("chromium", ["--version", "--no-sandbox"]),
    ],
  };
}

const cell = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (head, lines) => [row(head), row(head.map(() => "---")), ...lines.map(row), ""].join("\n");

/** The page. */
export function page({ figures, goals, matrix = [], server = [], plan, wanted, seconds }, { date, commit, machine, programs }) {
  const parts = [
    `# Bench of ${date}, commit ${commit}`,
    `${machine}; load average ${cell(figures.load_average)} while it ran; ${plan.rounds} rounds of ${wanted.join(", ")} in ${Math.round(seconds / 60)} minutes. Medians; ratios are of medians. Lower is better.`,
    programs.join("; "),
    "## Goals",
    table(["figure", "goal", "found", "", "what"], goals.map(({ key, goal, value, met, what }) =>
      [`\`${key}\``, goal, value ?? "–", met === undefined ? "not measured" : met ? "met" : "**missed**", what])),
  ];
  if (matrix.length > 0) {
    parts.push("## Everyone on the same screen", "![processor time per unique picture](latest.svg)", matrixTable(matrix), remarks(matrix));
    parts.push("## Command lines", commandLines());
  }
  if (server.length > 0) parts.push("## The live server on one core", serverTable(server));
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

/** One line for each place and peer. */
export function matrixTable(samples) {
  const places = [...new Set(samples.map(({ content, size, peer }) => JSON.stringify([content, size, peer])))].map((each) => JSON.parse(each));
  const order = places.filter(([, , peer]) => peer !== "nobody").sort(([a, b], [c, d]) => `${a} ${b}`.localeCompare(`${c} ${d}`));
  const lines = order.map(([content, size, peer]) => {
    const found = at(samples, content, size, peer);
    const of = (field, digits) => cell(middle(found, field), digits);
    return [
      content, size, peer, of("perFrame"), of("fps", 1), of("cores", 3), of("serverCores", 3), of("rss", 0),
      `${of("p50", 0)} / ${of("p95", 0)} / ${of("p99", 0)}`, of("psnr"), of("ssim", 4), of("kbps", 0), found.length,
    ];
  });
  return table(["content", "size", "who", "CPU ms per unique picture", "unique fps", "cores", "X server, cores", "RSS, MiB",
    "age at arrival p50 / p95 / p99, ms", "PSNR, dB", "SSIM", "kbit/s", "runs"], lines);
}

/** What can't be compared, and who failed. */
function remarks(samples) {
  const lines = [];
  const places = new Set(samples.map(({ content, size }) => `${content} ${size}`));
  for (const [content, size] of [...places].map((each) => each.split(" "))) {
    const why = unlike(at(samples, content, size, "tidecast"), at(samples, content, size, "ffmpeg"));
    if (why) lines.push(`- ${content} ${size}: not compared with ffmpeg: ${why}.`);
  }
  const failed = samples.filter((each) => each.failed);
  for (const { content, size, peer, failed: why } of failed) lines.push(`- ${content} ${size}, ${peer}, failed once: ${why}`);
  return lines.join("\n");
}

function plot(samples) {
  const groups = new Map();
  for (const { content, size } of samples) {
    const found = Object.fromEntries(peers.map((peer) => [peer, middle(at(samples, content, size, peer), "perFrame")]));
    if (Object.values(found).some(Number.isFinite)) groups.set(`${content} ${size}`, found);
  }
  return bars("processor time per unique picture", "ms", [...groups].map(([label, found]) => ({ label, bars: found })));
}

function commandLines() {
  const [display, port, size] = [":99", 5004, sizes["1080p60"]];
  const line = (program, args) => `${program} ${args.map((each) => (/[^\w:/.,=+-]/.test(each) ? `'${each}'` : each)).join(" ")}`;
  return ["For 1080p60; the display and the port are each run's own. Chromium's calls are in `electron-app/tests/bench/chromium.mjs`.", "```sh",
    line("tidecast", tidecastArgs(size, `rtp://127.0.0.1:${port}`)),
    line("ffmpeg", ffmpegArgs(size, display, port)),
    line("gst-launch-1.0", gstreamerArgs(size, display, port)), "```"].join("\n");
}

/** One line for each load. */
export function serverTable(samples) {
  return table(["viewers", "publishers", "CPU s a minute", "dropped", "of", "forwarding p50 / p95 / p99, ms", "RSS, MiB", "KiB a viewer"],
    samples.map((each) => [each.viewers, each.publishers, cell(each.cpu_seconds_per_minute, 1), each.dropped, each.expected,
      `${cell(each.delay_p50_ms)} / ${cell(each.delay_p95_ms)} / ${cell(each.delay_p99_ms)}`, cell(each.memory_mib, 0), cell(each.publishers === 1 ? each.memory_per_viewer_kib : undefined, 0)]));
}
