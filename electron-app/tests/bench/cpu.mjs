// Processor time: the app's engine (the command line `tidecast`, publishing to one WHIP peer), ffmpeg and the bare
// encoder, one after the other, round after round, on the same picture.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { startDisplay } from "../rigs/display.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { cpuOf, freshFolder, json, ours, systems, talk } from "../rigs/programs.mjs";
import { startSound } from "../rigs/sound.mjs";
import { pause, until } from "../rigs/wait.mjs";

const [width, height, fps, kbps, gop] = [1920, 1080, 60, 6000, 2];
const size = `${width}x${height}`;
/** Into its stride: connection, rate control, the first keyframe. */
const warmUpMs = 3000;

export async function cpuRounds(plan, say) {
  const folder = freshFolder("bench");
  const display = await startDisplay({ width, height, windowManager: false });
  const sound = await startSound();
  const recorder = talk(ours("whip-recorder"), []);
  const { url } = await recorder.waitLine("the recorder's address", (line) => json(line)?.url && json(line));
  const rig = { plan, folder, display, sound, recorder, url, say };
  const rounds = [];
  try {
    for (let index = 0; index < plan.rounds; index += 1) {
      const moving = await startPattern(display, { width, height, content: "motion", overrideRedirect: true });
      // Which comes first changes from round to round: neither always meets a warm or a busy machine.
      const order = index % 2 === 0 ? [measureOurs, measureFfmpeg] : [measureFfmpeg, measureOurs];
      const results = {};
      for (const measure of order) Object.assign(results, await measure(rig, index));
      await moving.stop();
      results.encoder = await measureEncoder(rig);
      const still = await startPattern(display, { width, height, content: "still", overrideRedirect: true });
      results.idle = await measureIdle(rig, []);
      await sound.tone("speaker", 1000, plan.idleSeconds + 20, { amplitude: 0.2 });
      results.audio = await measureIdle(rig, ["--system-sound", "--microphone", "default"], sound.env);
      await sound.silence();
      await still.stop();
      const difference = results.ours.psnr - results.ffmpeg.psnr;
      say(`round ${index + 1}: tidecast ${text(results.ours)}; ffmpeg ${text(results.ffmpeg)}; encoder alone ${results.encoder.toFixed(2)} ms; idle ${results.idle.toFixed(4)}, with sound ${results.audio.toFixed(4)} cores`);
      results.alike = Math.abs(difference) <= 0.5;
      if (!results.alike) say(`  the pictures differ by ${difference.toFixed(2)} dB: unlike work, not compared with ffmpeg`);
      rounds.push(results);
    }
  } finally {
    await recorder.stop();
    await sound.stop();
    await display.stop();
  }
  return rounds;
}

function text({ perFrame, unique, seconds, psnr, kbps }) {
  return `${perFrame.toFixed(2)} ms per unique picture (${(unique / seconds).toFixed(1)} a second, ${psnr.toFixed(2)} dB, ${Math.round(kbps)} kbit/s)`;
}

/** Processor time of a process and the stamps' window in which it was spent. */
async function watch(pid, seconds) {
  await pause(warmUpMs);
  const [from, before] = [Date.now() * 10, cpuOf(pid)];
  await pause(seconds * 1000);
  const [until, after] = [Date.now() * 10, cpuOf(pid)];
  return { from, until, cpuMs: after - before, seconds: (until - from) / 10_000 };
}

async function readBack(file, window) {
  const args = [file, "--size", size, "--content", "motion", "--from", String(window.from), "--until", String(window.until)];
  const reader = talk(ours("read-pattern"), args);
  const found = await reader.waitLine("the recording is read", json, { deadline: 300_000 });
  const { size: bytes } = fs.statSync(file);
  fs.rmSync(file);
  // The file holds the warm-up as well: its rate is that of the whole recording.
  return { ...found, kbps: (bytes * 8) / 1000 / found.span_seconds };
}

async function measureOurs(rig, index) {
  const file = path.join(rig.folder, `ours-${index}.h264`);
  const { stream, stop } = await startStream(rig, file, ["--size", size, "--fps", String(fps), "--kbps", String(kbps), "--gop", String(gop)]);
  const window = await watch(stream.child.pid, rig.plan.cpuSeconds);
  const counted = await stop();
  const read = await readBack(file, window);
  if (counted.gaps > 0) rig.say(`  ${counted.gaps} gaps in what the peer received`);
  return { ours: result(read, window) };
}

async function measureFfmpeg(rig, index) {
  const file = path.join(rig.folder, `ffmpeg-${index}.h264`);
  const ffmpeg = talk(systems("ffmpeg"), [
    ...["-v", "error", "-f", "x11grab", "-draw_mouse", "0", "-framerate", String(fps), "-video_size", size, "-i", rig.display.display],
    // The same colours as ours, so that both are compared with the same picture.
    ...["-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"],
    ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"],
    // And the same rate control: a quarter of a second of buffer, keyframes by time alone.
    ...["-threads", String(encoderThreads()), "-b:v", `${kbps}k`, "-maxrate", `${kbps}k`, "-bufsize", `${kbps / 4}k`, "-g", String(fps * gop), "-sc_threshold", "0"],
    ...["-f", "h264", "-y", file],
  ], { env: rig.display.env });
  const window = await watch(ffmpeg.child.pid, rig.plan.cpuSeconds);
  await ffmpeg.stop();
  return { ffmpeg: result(await readBack(file, window), window) };
}

function result(read, window) {
  return {
    perFrame: window.cpuMs / read.unique,
    unique: read.unique,
    seconds: window.seconds,
    psnr: read.psnr,
    kbps: read.kbps,
  };
}

/** As many as the engine gives its software encoder on this machine (encoder crate, `av/encoder.rs`). */
function encoderThreads() {
  return Math.min(os.availableParallelism(), 4);
}

/** Starts the engine towards the recorder; `stop` gives what the recorder counted. */
async function startStream(rig, file, args, env = {}) {
  await order(rig.recorder, file);
  const stream = talk(ours("tidecast"), ["stream", "--no-cursor", "--to", `whip:${rig.url}`, "--stats", "json", ...args], {
    env: { ...rig.display.env, ...env },
  });
  await stream.waitLine("live", (line) => {
    const event = json(line);
    return event?.type === "state" && event.destinations[0]?.state.kind === "live";
  }, { deadline: 30_000 });
  return {
    stream,
    async stop() {
      stream.child.kill("SIGINT");
      await until("the stream ends", stream.ended, { deadline: 10_000 }).catch(() => stream.stop());
      return order(rig.recorder, "");
    },
  };
}

/** Names the file for the next publisher; gives the figures of the last one. */
async function order(recorder, file) {
  const from = recorder.lines.length;
  recorder.send(file);
  return recorder.waitLine("the recorder answers", json, { from });
}

async function measureEncoder(rig) {
  const frames = rig.plan.cpuSeconds * fps;
  const run = talk(ours("encode-frames"), ["--size", size, "--fps", String(fps), "--kbps", String(kbps), "--gop", String(gop), "--frames", String(frames)]);
  const { cpu_ms_per_frame: perFrame } = await run.waitLine("the encoder alone", json, { deadline: 120_000 });
  return perFrame;
}

async function measureIdle(rig, more, env) {
  const { stream, stop } = await startStream(rig, path.join(rig.folder, "idle.h264"), ["--size", size, "--fps", "30", "--kbps", String(kbps), ...more], env);
  const { cpuMs, seconds } = await watch(stream.child.pid, rig.plan.idleSeconds);
  await stop();
  return cpuMs / 1000 / seconds;
}
