// The bench's arithmetic and its page, on samples whose answers are known.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { withRate } from "../bench/chromium.mjs";
import { goals, judged } from "../bench/goals.mjs";
import { quickRows, rows, sizes, turned } from "../bench/matrix.mjs";
import { result, spent } from "../bench/measure.mjs";
import { ffmpegArgs, gstreamerArgs, tidecastArgs } from "../bench/peers.mjs";
import { axis, bars } from "../bench/plot.mjs";
import { clock, Progress } from "../bench/progress.mjs";
import { page, writeReport } from "../bench/report.mjs";
import { figuresOf, wantedParts } from "../bench/run.mjs";
import { mostViewers, nextCount, serverFigures } from "../bench/server.mjs";
import { matrixFigures, middle, ratio, round, unlike } from "../bench/statistics.mjs";

const sample = (peer, perFrame, more = {}) => ({ content: "motion", size: "1080p60", peer, perFrame, psnr: 30, kbps: 6000, ...more });
const rounds = (peer, numbers, more) => numbers.map((perFrame) => sample(peer, perFrame, more));

test("a ratio is that of the medians, and one odd round changes nothing", () => {
  const found = ratio(rounds("tidecast", [6, 5, 90]), rounds("ffmpeg", [10, 12, 11]));
  assert.equal(found, 6 / 11);
});

test("worse pictures or more bits are not compared, better pictures are", () => {
  const theirs = rounds("ffmpeg", [10]);
  assert.match(unlike(rounds("tidecast", [5], { psnr: 29.4 }), theirs), /0\.60 dB worse/);
  assert.match(unlike(rounds("tidecast", [5], { kbps: 6700 }), theirs), /6700/);
  assert.equal(ratio(rounds("tidecast", [5], { psnr: 29.4 }), theirs), undefined);
  assert.equal(ratio(rounds("tidecast", [5], { psnr: 31 }), theirs), 0.5);
});

test("what failed does not count, and what nobody measured is null", () => {
  const samples = [...rounds("tidecast", [6]), ...rounds("ffmpeg", [10]), { ...sample("ffmpeg", undefined), failed: "it ended" }];
  const figures = matrixFigures(samples);
  assert.equal(figures.cpu_ratio_ffmpeg, 0.6);
  assert.equal(figures.cpu_ratio_gstreamer, undefined);
  assert.equal(round(figures.cpu_ratio_gstreamer, 3), null);
  assert.equal(round(NaN, 3), null);
  assert.equal(middle([], "perFrame"), undefined);
});

test("beside the encoder stand our other work and what the X server does more for us", () => {
  const own = rounds("tidecast", [10], { cores: 0.6, fps: 60, serverCores: 0.09 });
  const samples = [...own, ...rounds("encoder", [8]), sample("nobody", undefined, { serverCores: 0.02 })];
  // 0.6 cores less 8 ms sixty times a second, and 0.07 of the X server.
  assert.ok(Math.abs(matrixFigures(samples).beside_encoder_cores - 0.19) < 1e-9);
});

test("a run's figures are per unique picture, and its threads are told by name and number", () => {
  const before = new Map([["1", { name: "encode-video", time: 1e6 }], ["2", { name: "tokio", time: 5e6 }]]);
  const after = new Map([["1", { name: "encode-video", time: 4e6 }], ["2", { name: "tokio", time: 6e6 }], ["3", { name: "encode-video", time: 2e6 }]]);
  assert.deepEqual([spent(before, after), spent(before, after, "encode")], [6, 5]);
  const found = result({ seconds: 2, cpuMs: 1000, serverMs: 100, rss: 50 }, { unique: 100, latencies: [3, 1, 2, 4], psnr: 30 }, 0);
  assert.deepEqual([found.perFrame, found.fps, found.cores, found.serverCores, found.p50], [10, 50, 0.5, 0.05, 3]);
  assert.equal(result({ seconds: 2, cpuMs: 10, serverMs: 0, rss: 0 }, { unique: 0, latencies: [] }).perFrame, undefined);
});

test("each goal is a figure of the last line, met at its value and missed above it", () => {
  const names = goals.map(([name]) => name);
  assert.equal(new Set(names).size, names.length);
  const nothing = figuresOf({});
  assert.deepEqual(names.filter((name) => nothing[name] !== null), []);
  const [met, missed, none] = judged({ cpu_ratio_ffmpeg: 0.62, cpu_ratio_ffmpeg_superfast: 0.851, cpu_ratio_ffmpeg_veryfast: null });
  assert.deepEqual([met.met, missed.met, none.met], [true, false, undefined]);
});

test("peers get the same size, rate, bitrate, preset, keyframes and sink", () => {
  const cell = sizes["720p60"];
  const lines = [tidecastArgs(cell, "rtp://127.0.0.1:5004", { preset: "superfast" }), ffmpegArgs(cell, ":7", 5004, "superfast"), gstreamerArgs(cell, ":7", 5004, "superfast")];
  for (const line of lines.map((args) => args.join(" "))) {
    for (const each of [/superfast/, /\b4000/, /\b60\b/, /5004/]) assert.match(line, each);
  }
  assert.match(lines[0].join(" "), /--gop 2/);
  assert.match(lines[1].join(" "), /-g 120/);
  assert.match(lines[2].join(" "), /key-int-max=120/);
});

test("rows name known sizes, and everybody begins once", () => {
  for (const [, size, peers] of [...rows, ...quickRows]) {
    assert.ok(sizes[size]);
    assert.equal(new Set(peers).size, peers.length);
  }
  assert.deepEqual([0, 1, 2, 3].map((by) => turned(["a", "b", "c"], by).join("")), ["abc", "bca", "cab", "abc"]);
});

test("Chromium's bitrate is set in H.264's line alone", () => {
  const sdp = "m=video\r\na=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1\r\na=fmtp:97 apt=96\r\n";
  const changed = withRate(sdp, 6000);
  assert.match(changed, /packetization-mode=1;x-google-start-bitrate=6000;.*\r\na=fmtp:97 apt=96\r\n$/);
});

test("what is left follows the pace of what is done", () => {
  let now = 0;
  const progress = new Progress(600, () => now);
  assert.equal(progress.step(300, "one"), "[0:00 gone, about 10:00 left] one");
  now = 600_000;
  progress.step(300, "two");
  // Twice as slow as was thought, and trusted as far as the steps so far go.
  assert.equal(Math.round(progress.left()), Math.round(300 * (720 / 420)));
  assert.equal(clock(3599.6), "60:00");
});

test("parts are asked for by name, the older name too, and a wrong one is told", () => {
  assert.deepEqual(wantedParts("server,latency"), ["latency", "server"]);
  assert.deepEqual(wantedParts("cpu"), ["matrix", "still"]);
  assert.throws(() => wantedParts("speed"), /there are latency/);
});

test("the largest load that held is one without a loss and within five milliseconds", () => {
  const load = (viewers, dropped, p99) => ({ viewers, publishers: 1, dropped, delay_p99_ms: p99, cpu_seconds_per_minute: viewers / 4 });
  const samples = [load(50, 0, 2), load(100, 0, 4.9), load(200, 3, 4)];
  assert.equal(mostViewers(samples), 100);
  assert.equal(serverFigures(samples).server_cpu_50_viewers, 12.5);
  assert.equal(mostViewers([load(50, 1, 2)]), undefined);
});

test("the largest load is looked for between one that held and one that did not", () => {
  const load = (viewers, p99) => ({ viewers, publishers: 1, dropped: 0, delay_p99_ms: p99 });
  const few = { ...load(1, 1), publishers: 200 };
  const search = (samples, most) => {
    const asked = [];
    for (let viewers = nextCount(samples); viewers !== undefined; viewers = nextCount(samples)) {
      asked.push(viewers);
      samples.push(load(viewers, viewers <= most ? 4 : 6));
    }
    return asked;
  };
  assert.deepEqual(search([load(50, 6), load(100, 15), load(200, 28), few], 20), [20, 35, 25]);
  assert.deepEqual(search([load(50, 6), load(100, 15), load(200, 28), few], 1), [20, 10, 5]);
  assert.deepEqual(search([load(50, 2), load(100, 4), load(200, 9), few], 130), [150, 125]);
  assert.deepEqual(search([load(50, 2), load(100, 4), load(200, 4.5), few], 200), []);
});

test("an axis ends at a round number, and bars are as high as their values", () => {
  assert.deepEqual(axis(11), { step: 2, steps: 6, end: 12 });
  assert.equal(axis(0.5).end >= 0.5, true);
  const svg = bars("time", "ms", [{ label: "motion 1080p60", bars: { tidecast: 5, ffmpeg: 10 } }, { label: "a<b", bars: {} }]);
  const heights = [...svg.matchAll(/height="([\d.]+)" fill="#(?:0a7ea4|d98c1f)"><title>/g)].map(([, height]) => Number(height));
  assert.equal(heights.length, 2);
  assert.ok(Math.abs(heights[1] / heights[0] - 2) < 0.01);
  assert.ok(svg.includes("a&lt;b") && !svg.includes("NaN"));
});

test("the page has the goals, a line for each place and peer, the command lines, and is written with its plot", () => {
  const matrix = [...rounds("tidecast", [6, 7, 8], { fps: 60, p50: 4, p95: 9, p99: 12 }), ...rounds("ffmpeg", [10]), { ...sample("chromium"), failed: "no H.264" }];
  const figures = { cpu_ratio_ffmpeg: 0.7, load_average: 0.5 };
  const server = [{ viewers: 50, publishers: 1, cpu_seconds_per_minute: 12, dropped: 0, expected: 9, delay_p50_ms: 1, delay_p95_ms: 2, delay_p99_ms: null, memory_mib: 60 }];
  const run = { figures, goals: judged(figures), matrix, server, plan: { rounds: 3 }, wanted: ["matrix"], seconds: 61 };
  const text = page(run, { date: "2026-01-01", commit: "abc", machine: "one", programs: ["ffmpeg 5"] });
  assert.match(text, /\| `cpu_ratio_ffmpeg` \| 0\.62 \| 0\.7 \| \*\*missed\*\* \|/);
  assert.match(text, /\| motion \| 1080p60 \| tidecast \| 7\.00 \| 60\.0 \|.*\| 4 \/ 9 \/ 12 \|/);
  assert.match(text, /chromium, failed once: no H\.264/);
  assert.match(text, /\| 50 \| 1 \| 12\.0 \| 0 \| 9 \| 1\.00 \/ 2\.00 \/ – \| 60 \| – \|/);
  assert.match(text, /ffmpeg -v error -nostdin -f x11grab/);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tidecast-report-"));
  try {
    writeReport({ folder, ...run });
    assert.deepEqual(fs.readdirSync(folder).sort(), ["latest-samples.json", "latest.json", "latest.md", "latest.svg"]);
    assert.deepEqual(JSON.parse(fs.readFileSync(path.join(folder, "latest.json"), "utf8")), figures);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
