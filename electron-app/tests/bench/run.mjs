// The bench's plan: which measurements, how often, and the one line at the end.

import os from "node:os";
import { median, percentile } from "../rigs/wait.mjs";
import { cpuRounds } from "./cpu.mjs";
import { destinationRounds } from "./destinations.mjs";
import { latencyRounds } from "./latency.mjs";

/** Goals and ceilings of the figures; a figure that misses one is named, the exit code tells. */
const goals = {
  cpu_ratio_ffmpeg: 0.75,
  cpu_ratio_encoder: 1.35,
  idle_cores: 0.02,
  destination_cores: 0.05,
  preview_p50_ms_720p30: 300,
  preview_p95_ms_720p30: 300,
  viewer_p50_ms_720p30: 300,
  viewer_p95_ms_720p30: 300,
  preview_p50_ms_1080p30: 300,
  preview_p95_ms_1080p30: 300,
  viewer_p50_ms_1080p30: 300,
  viewer_p95_ms_1080p30: 300,
  latency_ratio_chromium_720p30: 0.8,
};

const plans = {
  full: { rounds: 5, cpuSeconds: 10, idleSeconds: 10, latencySeconds: 12, soakMs: 10 * 60_000 },
  quick: { rounds: 1, cpuSeconds: 6, idleSeconds: 6, latencySeconds: 5, soakMs: 0 },
};

/** Runs it; resolves to the exit code: 0 where everything could be measured. */
export async function runBench({ quick, only }) {
  const plan = quick ? plans.quick : plans.full;
  say(`${plan.rounds} round${plan.rounds > 1 ? "s" : ""}, ${os.cpus().length} processors, load ${os.loadavg()[0].toFixed(2)}`);
  const loads = [];
  const watch = setInterval(() => loads.push(os.loadavg()[0]), 5000);
  const wanted = (part) => only === undefined || only === part;
  const latency = wanted("latency") ? await latencyRounds(plan, say) : undefined;
  const cpu = wanted("cpu") ? await cpuRounds(plan, say) : undefined;
  const destinations = wanted("destinations") ? await destinationRounds(plan, say) : undefined;
  clearInterval(watch);
  const figures = { ...cpuFigures(cpu), ...destinationFigures(destinations), ...latencyFigures(latency) };
  figures.load_average = round(median(loads.length > 0 ? loads : [os.loadavg()[0]]), 2);
  figures.rss_start_mb = round(latency?.rssStart, 1);
  figures.rss_end_mb = round(latency?.rssEnd, 1);
  const missed = Object.entries(goals).filter(([name, goal]) => figures[name] > goal);
  for (const [name, goal] of missed) say(`short of its goal: ${name} is ${figures[name]}, goal ${goal}`);
  const unmeasured = Object.entries(figures).filter(([, value]) => value === null).map(([name]) => name);
  if (unmeasured.length > 0) say(`not measured: ${unmeasured.join(", ")}`);
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  return unmeasured.length > 0 && !only ? 1 : 0;
}

function cpuFigures(cpu) {
  return {
    cpu_ratio_ffmpeg: round(cpu && median(cpu.filter((each) => each.alike).map((each) => each.ours.perFrame / each.ffmpeg.perFrame)), 3),
    cpu_ratio_encoder: round(cpu && median(cpu.map((each) => each.ours.perFrame / each.encoder)), 3),
    idle_cores: round(cpu && median(cpu.map((each) => each.idle)), 4),
    audio_cores: round(cpu && median(cpu.map((each) => each.audio - each.idle)), 4),
  };
}

function destinationFigures(rounds) {
  const middle = (figure) => round(rounds && median(rounds.map(figure)), 4);
  return {
    destination_cores: middle(({ each }) => each),
    aac_cores: middle(({ aac }) => aac),
    input_track_cores: middle(({ track }) => track),
  };
}

function latencyFigures(latency) {
  const figures = {};
  for (const size of ["720p30", "1080p30"]) {
    for (const end of ["preview", "viewer"]) {
      const all = latency ? latency[size][end] : [];
      figures[`${end}_p50_ms_${size}`] = round(percentile(all, 0.5), 1);
      figures[`${end}_p95_ms_${size}`] = round(percentile(all, 0.95), 1);
    }
  }
  // The same job on both sides: capture, encode, one peer on the same machine, decode.
  const ratios = latency?.pairs.map(({ ours, chromium }) => median(ours) / median(chromium));
  figures.latency_ratio_chromium_720p30 = round(ratios && median(ratios), 3);
  return figures;
}

/** JSON has no NaN: what couldn't be measured is null. */
function round(value, digits) {
  return value === undefined || !Number.isFinite(value) ? null : Number(value.toFixed(digits));
}

function say(text) {
  process.stdout.write(`${text}\n`);
}
