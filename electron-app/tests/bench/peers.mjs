// Who is measured, and how each is called. All send H.264 at the same size, rate, bitrate and keyframe distance, with the
// same x264 preset, tune, profile and threads, without the pointer, in BT.709 of limited range, to the same recorder: plain
// RTP on this machine. Chromium can't: it and the run of ours that it is compared with send WebRTC to a WHIP recorder.

import { json, ours, systems, talk } from "../rigs/programs.mjs";
import { until } from "../rigs/wait.mjs";
import { startSender } from "./chromium.mjs";

/** Seconds between keyframes. */
export const gop = 2;

/** As many as the engine gives its software encoder up to 1080p60, where a picture is in time (`control_api/src/governor.rs`). */
export const encoderThreads = 1;

/** Our command line; `preset` and `encoder` hold the engine to them, `more` is added. */
export function tidecastArgs({ width, height, fps, kbps }, to, { preset, encoder, more = [] } = {}) {
  const args = ["stream", "--no-cursor", "--stats", "json", "--size", `${width}x${height}`, "--fps", `${fps}`, "--kbps", `${kbps}`, "--gop", `${gop}`];
  if (preset) args.push("--preset", preset);
  if (encoder) args.push("--encoder", encoder);
  return [...args, ...more, "--to", to];
}

/** ffmpeg's; rate control as ours: a quarter of a second of buffer, keyframes by time alone. */
export function ffmpegArgs({ width, height, fps, kbps }, display, port, preset = "ultrafast") {
  return [
    ...["-v", "error", "-nostdin", "-f", "x11grab", "-draw_mouse", "0", "-framerate", `${fps}`, "-video_size", `${width}x${height}`, "-i", display],
    ...["-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"],
    ...["-c:v", "libx264", "-preset", preset, "-tune", "zerolatency", "-profile:v", "baseline", "-threads", `${encoderThreads}`],
    ...["-b:v", `${kbps}k`, "-maxrate", `${kbps}k`, "-bufsize", `${kbps / 4}k`, "-g", `${fps * gop}`, "-sc_threshold", "0"],
    ...["-f", "rtp", `rtp://127.0.0.1:${port}`],
  ];
}

/** GStreamer's: damage off, as it is quicker so where much moves; the recommended elements otherwise. */
export function gstreamerArgs({ width, height, fps, kbps }, display, port, preset = "ultrafast") {
  return [
    "-q", "ximagesrc", `display-name=${display}`, "use-damage=false", "show-pointer=false", `endx=${width - 1}`, `endy=${height - 1}`,
    "!", `video/x-raw,framerate=${fps}/1`,
    "!", "videoconvert",
    "!", "video/x-raw,format=I420,colorimetry=bt709",
    "!", "x264enc", `speed-preset=${preset}`, "tune=zerolatency", `threads=${encoderThreads}`, `bitrate=${kbps}`, "vbv-buf-capacity=250",
    `key-int-max=${fps * gop}`, "option-string=scenecut=0",
    "!", "video/x-h264,profile=constrained-baseline",
    "!", "rtph264pay", "mtu=1200", // x264 repeats its parameter sets; another copy would lie between two slices
    "!", "udpsink", "host=127.0.0.1", `port=${port}`, "sync=false", "async=false",
  ];
}

/** Ours, as it is (`sink`: "rtp" or "whip") or held to a preset or an encoder. */
export function tidecast({ name = "tidecast", sink = "rtp", ...held } = {}) {
  return {
    name,
    sink,
    start: async (rig, cell, { port, url }) => {
      const args = tidecastArgs(cell, sink === "rtp" ? `rtp://127.0.0.1:${port}` : `whip:${url}`, held);
      const program = talk(ours("tidecast"), args, { env: rig.display.env });
      await program.waitLine("live", (line) => {
        const event = json(line);
        return event?.type === "state" && event.destinations[0]?.state.kind === "live";
      }, { deadline: 30_000 });
      return { ...plain(program), stop: () => interrupt(program) };
    },
  };
}

export function ffmpeg({ preset = "ultrafast", name = "ffmpeg" } = {}) {
  const start = async (rig, cell, { port }) =>
    plain(talk(systems("ffmpeg"), ffmpegArgs(cell, rig.display.display, port, preset), { env: rig.display.env }));
  return { name, sink: "rtp", start };
}

export function gstreamer({ preset = "ultrafast", name = "gstreamer" } = {}) {
  const start = async (rig, cell, { port }) =>
    plain(talk(systems("gst-launch-1.0", "gstreamer1.0-tools"), gstreamerArgs(cell, rig.display.display, port, preset), { env: rig.display.env }));
  return { name, sink: "rtp", start };
}

/** Chromium's own capture and H.264 (OpenH264) as a sender; it counts with all of its processes. */
export const chromium = { name: "chromium", sink: "whip", start: startSender };

function plain(program) {
  const check = () => {
    if (program.ended()) throw new Error(`it ended: ${program.errors.slice(-6).join(" | ")}`);
  };
  return {
    pids: () => {
      check();
      return [program.child.pid];
    },
    stop: program.stop,
  };
}

async function interrupt(program) {
  program.child.kill("SIGINT");
  await until("the stream ends", program.ended, { deadline: 10_000 }).catch(() => program.stop());
}
