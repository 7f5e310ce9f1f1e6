// One measurement: a program sends what the screen shows to a recorder for a while; afterwards it is known what that cost
// and what arrived. The same for us and for everyone else.

import fs from "node:fs";
import path from "node:path";
import { json, memoryOf, ours, talk } from "../rigs/programs.mjs";
import { pause, percentile } from "../rigs/wait.mjs";

/** Into its stride: connection, rate control, the first keyframe. */
const warmUpMs = 1200;

/** Time of each thread of those processes so far, ns (`schedstat`: proc(5)): to the nanosecond, where `stat` counts in 10 ms. */
export function clocks(pids) {
  const found = new Map();
  for (const pid of pids) {
    let ids = [];
    try {
      ids = fs.readdirSync(`/proc/${pid}/task`);
    } catch {
      continue; // it ended while we looked
    }
    for (const id of ids) {
      try {
        const name = fs.readFileSync(`/proc/${pid}/task/${id}/comm`, "utf8").trim();
        found.set(id, { name, time: Number(fs.readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]) });
      } catch {
        // the same
      }
    }
  }
  return found;
}

/** Milliseconds between two readings, of threads whose name begins so. x264's bear the name of who opened the encoder. */
export function spent(before, after, name = "") {
  let sum = 0;
  for (const [id, thread] of after) if (thread.name.startsWith(name)) sum += thread.time - (before.get(id)?.time ?? 0);
  return sum / 1e6;
}

/** Watches processes, and the X server beside them, for so long. Gives the stamps' window with what was spent in it. */
export async function watch({ pids, server, seconds, warmUp = warmUpMs }) {
  await pause(warmUp);
  const look = () => ({ at: performance.now(), stamp: Date.now() * 10, own: clocks(pids()), x: clocks(server ? [server] : []) });
  const before = look();
  await pause(seconds * 1000);
  const after = look();
  return {
    from: before.stamp,
    until: after.stamp,
    seconds: (after.at - before.at) / 1000,
    cpuMs: spent(before.own, after.own),
    serverMs: spent(before.x, after.x),
    rss: pids().reduce((sum, pid) => sum + resident(pid), 0),
  };
}

function resident(pid) {
  try {
    return memoryOf(pid);
  } catch {
    return 0;
  }
}

/** Names the file for a recorder's next sender; gives the figures of the last one. */
export async function order(recorder, file) {
  const from = recorder.lines.length;
  recorder.send(file);
  return recorder.waitLine("the recorder answers", json, { from });
}

/** What a recording holds of the window: unique pictures, their quality, their age at arrival; and its bitrate. */
export async function readBack(file, window, { width, height, content }) {
  const args = [file, "--size", `${width}x${height}`, "--content", content, "--from", String(window.from), "--until", String(window.until)];
  const reader = talk(ours("read-pattern"), args);
  // A reader that fails has nothing more to say: nobody waits for the end of its time.
  const failed = new Promise((_, reject) => reader.child.once("close", (code) => code !== 0 && reject(new Error(`the recording can't be read: ${reader.errors.slice(-3).join(" | ")}`))));
  const found = await Promise.race([reader.waitLine("the recording is read", json, { deadline: 90_000 }), failed]).finally(reader.stop);
  const { size: bytes } = fs.statSync(file);
  for (const each of [file, `${file}.arrivals`]) fs.rmSync(each, { force: true });
  const { unique, psnr_samples: samples } = found;
  return {
    unique,
    psnr: samples > 0 ? found.psnr : undefined,
    ssim: samples > 0 ? found.ssim : undefined,
    latencies: found.latencies_ms,
    // The file holds the warm-up as well: its rate is that of the whole recording.
    kbps: found.span_seconds > 0 ? (bytes * 8) / 1000 / found.span_seconds : undefined,
  };
}

/**
 * A run of a peer (see `peers.mjs`): `cell` says content, size, rate and bitrate. Gives processor time per unique picture
 * (ms), pictures a second, cores, the X server's cores, memory (MiB), ages (ms) and quality.
 */
export async function runPeer(rig, peer, cell) {
  const recorder = rig.recorders[peer.sink];
  const file = path.join(rig.folder, `${peer.name}.h264`);
  await order(recorder.program, file);
  const running = await peer.start(rig, cell, recorder);
  let window;
  try {
    window = await watch({ pids: running.pids, server: rig.display.pid, seconds: cell.seconds, warmUp: running.warmUp });
  } finally {
    await running.stop();
  }
  const counted = await order(recorder.program, "");
  if (counted.video_units === 0) throw new Error(`${peer.name} sent no picture`);
  const read = await readBack(file, window, cell);
  return result(window, read, counted.gaps);
}

/** The figures of one run. */
export function result(window, read, gaps = 0) {
  const { seconds, cpuMs, serverMs, rss } = window;
  const age = (share) => (read.latencies?.length > 0 ? percentile(read.latencies, share) : undefined);
  return {
    seconds,
    cpuMs,
    gaps,
    rss,
    unique: read.unique,
    perFrame: read.unique > 0 ? cpuMs / read.unique : undefined,
    fps: read.unique / seconds,
    cores: cpuMs / 1000 / seconds,
    serverCores: serverMs / 1000 / seconds,
    p50: age(0.5),
    p95: age(0.95),
    p99: age(0.99),
    psnr: read.psnr,
    ssim: read.ssim,
    kbps: read.kbps,
  };
}
