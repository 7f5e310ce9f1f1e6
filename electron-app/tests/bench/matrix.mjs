// The matrix: every content at every size, by everyone, on the same screen; round after round, in another order each time,
// so that neither always meets a warm or a busy machine. What comes out is a flat list of samples.

import path from "node:path";
import { startDisplay } from "../rigs/display.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder, json, ours, talk } from "../rigs/programs.mjs";
import { openChromium } from "./chromium.mjs";
import { runPeer, watch } from "./measure.mjs";
import { chromium, encoderThreads, ffmpeg, gop, gstreamer, tidecast } from "./peers.mjs";

export const sizes = {
  "720p30": { width: 1280, height: 720, fps: 30, kbps: 4000 },
  "720p60": { width: 1280, height: 720, fps: 60, kbps: 4000 },
  "1080p30": { width: 1920, height: 1080, fps: 30, kbps: 6000 },
  "1080p60": { width: 1920, height: 1080, fps: 60, kbps: 6000 },
};

/** How often each is drawn: a game, a terminal's lines (`LINES_PER_SECOND` of the testkit), a film; nothing moves. */
const drawn = { motion: 60, terminal: 8, film: 24, still: 60 };

const everyone = { tidecast: tidecast(), ffmpeg: ffmpeg(), gstreamer: gstreamer(), chromium };
/** Only where something is to be told apart that the others leave the same. */
const special = {
  "tidecast superfast": tidecast({ name: "tidecast superfast", preset: "superfast" }),
  "ffmpeg superfast": ffmpeg({ name: "ffmpeg superfast", preset: "superfast" }),
  "tidecast veryfast": tidecast({ name: "tidecast veryfast", preset: "veryfast" }),
  "ffmpeg veryfast": ffmpeg({ name: "ffmpeg veryfast", preset: "veryfast" }),
  "tidecast webrtc": tidecast({ name: "tidecast webrtc", sink: "whip" }),
  "tidecast openh264": tidecast({ name: "tidecast openh264", sink: "whip", encoder: "openh264" }),
};
/** Not programs that send: the encoder on the same pictures, and the screen with nobody looking. */
const bare = ["encoder", "nobody"];

const three = ["tidecast", "ffmpeg", "gstreamer"];
const four = [...three, "chromium"];

/** Content, size, and who: Chromium is asked for 60 pictures a second where everything moves, and for 30 elsewhere. */
export const rows = [
  ["motion", "1080p60", [...four, ...bare]],
  ["motion", "1080p30", [...four, ...Object.keys(special)]],
  ["motion", "720p60", four],
  ["motion", "720p30", four],
  ["terminal", "1080p60", three],
  ["terminal", "1080p30", four],
  ["terminal", "720p60", three],
  ["terminal", "720p30", four],
  ["film", "1080p30", four],
  ["film", "720p30", four],
  ["still", "1080p30", four],
  ["still", "720p30", four],
];

/** What most of the goals are judged by, and no more. */
export const quickRows = [
  ["motion", "1080p60", [...three, ...bare]],
  ["motion", "1080p30", ["chromium", "tidecast veryfast", "ffmpeg veryfast", "tidecast webrtc", "tidecast openh264"]],
  ["terminal", "1080p60", ["tidecast", "ffmpeg"]],
];

/** Seconds that the matrix takes: starting, warming up and reading back come to about as much as the measuring. */
export function matrixSeconds(plan) {
  const runs = plan.rows.reduce((sum, [, , peers]) => sum + peers.length + (peers.includes("chromium") ? 0.5 : 0), 0);
  return 10 + plan.rounds * runs * (plan.matrixSeconds + 3.3);
}

export async function matrixRounds(plan, say, step) {
  const folder = freshFolder("bench-matrix");
  const recorders = {};
  const rigs = {};
  const samples = [];
  try {
    for (const [kind, program] of [["rtp", "rtp-recorder"], ["whip", "whip-recorder"]]) {
      const recorder = talk(ours(program), []);
      const told = await recorder.waitLine(`${program} listens`, json);
      recorders[kind] = { program: recorder, ...told };
    }
    for (let round = 0; round < plan.rounds; round += 1) {
      for (const [content, size, peers] of plan.rows) {
        const { width, height } = sizes[size];
        const rig = (rigs[height] ??= await openRig({ folder, recorders, width, height, rows: plan.rows }));
        const pattern = await startPattern(rig.display, { width, height, content, fps: drawn[content], overrideRedirect: true });
        const cell = { ...sizes[size], content, seconds: plan.matrixSeconds };
        for (const name of turned(peers, round)) {
          step(`round ${round + 1} of ${plan.rounds}: ${content} ${size}, ${name}`);
          const found = await runOne(rig, name, cell).catch((error) => {
            say(`  ${content} ${size}, ${name}: ${error.message}`);
            return { failed: error.message };
          });
          samples.push({ content, size, peer: name, round, ...found });
        }
        await pattern.stop();
      }
    }
  } finally {
    for (const rig of Object.values(rigs)) {
      await rig.chromium?.close().catch(() => {});
      await rig.display.stop();
    }
    for (const { program } of Object.values(recorders)) await program.stop();
  }
  return samples;
}

/** Another one begins each time. */
export function turned(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

async function openRig({ folder, recorders, width, height, rows: wanted }) {
  const display = await startDisplay({ width, height, windowManager: false });
  const asksChromium = wanted.some(([, size, peers]) => sizes[size].height === height && peers.includes("chromium"));
  return { folder, recorders, display, chromium: asksChromium ? await openChromium(display) : undefined };
}

async function runOne(rig, name, cell) {
  if (name === "nobody") {
    const { serverMs, seconds } = await watch({ pids: () => [], server: rig.display.pid, seconds: cell.seconds });
    return { serverCores: serverMs / 1000 / seconds };
  }
  if (name === "encoder") return encoderAlone(rig, cell);
  return runPeer(rig, everyone[name] ?? special[name], cell);
}

/** Milliseconds of processor that the encoder takes for one of the same pictures, with the app's settings. */
async function encoderAlone({ folder }, { width, height, fps, kbps, seconds, content }) {
  const args = ["--size", `${width}x${height}`, "--fps", `${fps}`, "--kbps", `${kbps}`, "--gop", `${gop}`, "--content", content, "--threads", `${encoderThreads}`];
  const frames = Math.round((seconds + 1.5) * fps);
  const program = talk(ours("encode-frames"), [...args, "--frames", `${frames}`, "--out", path.join(folder, "encoder.h264")]);
  const { cpu_ms_per_frame: perFrame } = await program.waitLine("the encoder alone", json, { deadline: 120_000 });
  return { perFrame };
}
