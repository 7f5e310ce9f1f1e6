// The bench's plan: which measurements, how often, and what is told of them: lines while it runs, a Markdown page with its
// plot, and one line of JSON at the end.

import os from "node:os";
import { median, percentile } from "../rigs/wait.mjs";
import { destinationRounds, destinationSeconds } from "./destinations.mjs";
import { judged } from "./goals.mjs";
import { ladderRounds, ladderSeconds } from "./ladder.mjs";
import { latencyRounds, latencySeconds } from "./latency.mjs";
import { matrixRounds, matrixSeconds, quickRows, rows } from "./matrix.mjs";
import { clock, Progress } from "./progress.mjs";
import { writeReport } from "./report.mjs";
import { serverFigures, serverRounds, serverSeconds, serverSteps } from "./server.mjs";
import { matrixFigures, middle, round } from "./statistics.mjs";
import { stillRounds, stillSeconds } from "./still.mjs";

const plans = {
  full: {
    rounds: 5, rows, matrixSeconds: 2, cpuSeconds: 3, idleSeconds: 6, latencySeconds: 6, soakMs: 6 * 60_000,
    serverViewers: [50, 100, 200], serverSearches: 3, serverPublishers: true, serverSeconds: 15, ladderSeconds: 6,
  },
  quick: {
    rounds: 1, rows: quickRows, matrixSeconds: 1.5, peersOnly: true, cpuSeconds: 3, idleSeconds: 4, latencySeconds: 3, soakMs: 0,
    serverViewers: [50], serverSearches: 0, serverPublishers: false, serverSeconds: 5, ladderSeconds: 4,
  },
};

/** What can be asked for alone. `seconds` is an estimate; `figures` takes what `run` gave, or nothing where it did not run. */
const parts = {
  latency: { seconds: latencySeconds, run: latencyRounds, figures: latencyFigures },
  matrix: { seconds: matrixSeconds, run: matrixRounds, figures: roundedMatrix },
  still: { seconds: stillSeconds, run: stillRounds, figures: stillFigures },
  destinations: { seconds: destinationSeconds, run: destinationRounds, figures: destinationFigures },
  server: { seconds: serverSeconds, run: serverRounds, figures: roundedServer },
  ladder: { seconds: ladderSeconds, run: ladderRounds, figures: ladderFigures },
};

/** Names that `--only` took before: what they meant. */
const older = { cpu: ["matrix", "still"] };

/** The parts that were asked for, in their order. */
export function wantedParts(only) {
  if (!only) return Object.keys(parts);
  const names = only.split(",").flatMap((name) => older[name] ?? [name]);
  const unknown = names.filter((name) => !parts[name]);
  if (unknown.length > 0) throw new Error(`no part of the bench is called ${unknown.join(", ")}: there are ${Object.keys(parts).join(", ")}`);
  return Object.keys(parts).filter((name) => names.includes(name));
}

/** Runs it; resolves to the exit code: 0 where everything that was asked for could be measured. */
export async function runBench({ quick, only, rounds, out }) {
  const plan = { ...(quick ? plans.quick : plans.full), ...(rounds ? { rounds } : {}) };
  const wanted = wantedParts(only);
  const total = wanted.reduce((sum, name) => sum + parts[name].seconds(plan), 0);
  say(`${plan.rounds} round${plan.rounds > 1 ? "s" : ""} of ${wanted.join(", ")}: about ${clock(total)} minutes; ${os.cpus().length} processors, load ${os.loadavg()[0].toFixed(2)}`);
  const progress = new Progress(total);
  const loads = [];
  const watch = setInterval(() => loads.push(os.loadavg()[0]), 5000);
  const found = {};
  const broken = [];
  for (const name of wanted) {
    const step = stepsOf(progress, parts[name].seconds(plan), stepCount(name, plan));
    try {
      found[name] = await parts[name].run(plan, say, step);
    } catch (error) {
      // The others are worth their while; this one's figures are null, and the exit code tells.
      broken.push(name);
      say(`${name} broke off: ${error.stack ?? error.message}`);
    }
  }
  clearInterval(watch);
  const figures = figuresOf(found);
  figures.load_average = round(median(loads.length > 0 ? loads : [os.loadavg()[0]]), 2);
  const goals = judged(figures);
  for (const { key, value, goal, met } of goals) if (met === false) say(`short of its goal: ${key} is ${value}, goal ${goal}`);
  const unmeasured = wanted.flatMap((name) => Object.keys(parts[name].figures(found[name]))).filter((name) => figures[name] === null);
  if (unmeasured.length > 0) say(`not measured: ${unmeasured.join(", ")}`);
  const report = writeReport({ folder: out, plan, wanted, figures, goals, matrix: found.matrix, server: found.server, seconds: progress.gone() });
  say(`written: ${report.join(", ")}`);
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  return broken.length > 0 || (unmeasured.length > 0 && !only && !quick) ? 1 : 0;
}

/** Every figure of the last line but the load: what a part did not find is null. */
export function figuresOf(found) {
  return Object.assign({}, ...Object.entries(parts).map(([name, part]) => part.figures(found[name])));
}

/** A part says what it does next; its estimate is shared out evenly among its steps. */
function stepsOf(progress, seconds, count) {
  return (text) => say(progress.step(seconds / count, text));
}

function stepCount(name, plan) {
  if (name === "matrix") return plan.rounds * plan.rows.reduce((sum, [, , peers]) => sum + peers.length, 0);
  if (name === "server") return serverSteps(plan);
  return plan.rounds + (name === "latency" && plan.soakMs > 0 ? 1 : 0);
}

function rounded(figures, digits) {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value, digits)]));
}

function roundedMatrix(samples = []) {
  return rounded(matrixFigures(samples), 3);
}

function roundedServer(samples = []) {
  return rounded(serverFigures(samples), 2);
}

function ladderFigures(rounds = []) {
  return rounded({ server_rendition_720p_cores: middle(rounds, "cores") }, 3);
}

function stillFigures(rounds = []) {
  return rounded({
    idle_cores: middle(rounds, "idle"),
    idle_pixel_ms: middle(rounds, "pixelMs"),
    audio_cores: middle(rounds, "audio"),
    opus_cores: middle(rounds, "opus"),
    aac_encoder_cores: middle(rounds, "aac"),
  }, 4);
}

function destinationFigures(rounds = []) {
  return rounded({
    destination_cores: middle(rounds, "each"),
    aac_cores: middle(rounds, "aac"),
    input_track_cores: middle(rounds, "track"),
    webrtc_peer_cores: middle(rounds, "peer"),
  }, 4);
}

function latencyFigures(latency) {
  const figures = {};
  const worse = [];
  for (const size of ["720p30", "1080p30"]) {
    for (const end of ["preview", "viewer"]) {
      const all = latency ? latency[size][end] : [];
      for (const share of [50, 95, 99]) figures[`${end}_p${share}_ms_${size}`] = round(percentile(all, share / 100), 1);
    }
    worse.push(figures[`viewer_p95_ms_${size}`] / (figures[`preview_p95_ms_${size}`] ?? NaN));
  }
  // The same job on both sides: capture, encode, one peer on the same machine, decode.
  const ratio = (share) => {
    const side = (name) => median((latency?.pairs ?? []).map((pair) => percentile(pair[name], share)));
    return round(side("ours") / side("chromium"), 3);
  };
  figures.latency_ratio_chromium_720p30 = ratio(0.5);
  figures.latency_ratio_chromium_p95_720p30 = ratio(0.95);
  figures.latency_ratio_viewer_preview_p95 = round(Math.max(...worse), 3);
  figures.rss_start_mb = round(latency?.rssStart, 1);
  figures.rss_end_mb = round(latency?.rssEnd, 1);
  return figures;
}

function say(text) {
  process.stdout.write(`${text}\n`);
}
