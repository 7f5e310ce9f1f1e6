// What a destination costs: the engine with one destination against four of four kinds and a recording, on the same
// picture and sound, one after the other, round after round. Receivers are programs of their own, whose time is not
// counted, and each must have received what was sent to it: a destination that sends nothing is cheap.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { startDisplay } from "../rigs/display.mjs";
import { freePort, isHeld } from "../rigs/pages.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder, json, ours, systems, talk } from "../rigs/programs.mjs";
import { startSound } from "../rigs/sound.mjs";
import { pause, until } from "../rigs/wait.mjs";
import { clocks, spent } from "./measure.mjs";

const [width, height, fps, kbps] = [1920, 1080, 30, 6000];
/** Into its stride: connections, rate control, the first keyframes. */
const warmUpMs = 3000;
/** Of the pictures in the measured time; the rest may be on its way, or late on a machine that is not alone. */
const leastReceived = 0.9;
const kinds = ["rtmp", "srt", "rtp", "whip"];
/** WebRTC peers beside the first. */
const furtherPeers = 2;

export function destinationSeconds(plan) {
  return 5 + plan.rounds * ((plan.peersOnly ? 2 : 7) * (plan.cpuSeconds + 7) + 5);
}

export async function destinationRounds(plan, say, step) {
  const folder = freshFolder("bench-destinations");
  const display = await startDisplay({ width, height, windowManager: false });
  const speaker = await startSound();
  const programs = Array.from({ length: 1 + furtherPeers }, () => talk(ours("whip-recorder"), []));
  const rounds = [];
  try {
    const recorders = [];
    for (const program of programs) {
      const { url } = await program.waitLine("the recorder's address", (line) => json(line)?.url && json(line));
      recorders.push({ recorder: program, url });
    }
    const rig = { plan, folder, display, speaker, recorders, say };
    for (let index = 0; index < plan.rounds; index += 1) {
      step(`round ${index + 1} of ${plan.rounds}: destinations`);
      rounds.push(await oneRound(rig, index));
      say(`round ${index + 1}: ${text(rounds[index])}`);
    }
  } finally {
    for (const program of programs) await program.stop();
    await speaker.stop();
    await display.stop();
  }
  return rounds;
}

async function oneRound(rig, index) {
  const record = path.join(rig.folder, "recording.mp4");
  // Without sound, so that the peers are all there is.
  const peers = (count) => measure(rig, { to: Array(count).fill("whip"), sound: false });
  const moves = () => startPattern(rig.display, { width, height, content: "motion", fps, overrideRedirect: true });
  if (rig.plan.peersOnly) {
    const pattern = await moves();
    const [one, more] = [await peers(1), await peers(1 + furtherPeers)];
    await pattern.stop();
    return { peer: (more.cores - one.cores) / furtherPeers };
  }
  const one = () => measure(rig, { to: ["rtmp"] });
  const all = () => measure(rig, { to: kinds, record });
  await rig.speaker.tone("speaker", 1000, 10 * rig.plan.cpuSeconds + 120, { amplitude: 0.2 });
  const moving = await moves();
  // Which comes first changes from round to round: neither always meets a warm or a busy machine.
  let alone, together;
  if (index % 2 === 0) [alone, together] = [await one(), await all()];
  else [together, alone] = [await all(), await one()];
  const onePeer = await peers(1);
  const morePeers = await peers(1 + furtherPeers);
  await moving.stop();
  // The sound's work is small beside a picture's: it is measured where there is none.
  const still = { source: "color:336699", size: "320x180" };
  const opus = await measure(rig, { ...still, to: ["rtp"] });
  const both = ["--microphone", "default"];
  const mixed = await measure(rig, { ...still, record, more: both });
  const apart = await measure(rig, { ...still, record, more: [...both, "--record-tracks"] });
  await rig.speaker.silence();
  return {
    alone,
    together,
    // Beside the first, which has AAC encoded already: three more destinations and the recording.
    each: (together.cores - alone.cores) / kinds.length,
    aac: mixed.of("audio-mixer") - opus.of("audio-mixer"),
    // By the thread that makes them: the rest is a file that is a little longer.
    track: apart.of("audio-tracks") / 2,
    peer: (morePeers.cores - onePeer.cores) / furtherPeers,
  };
}

function text({ alone, together, each, aac, track, peer }) {
  const further = `a further WebRTC peer ${peer.toFixed(4)} cores`;
  if (!alone) return further;
  const parts = ({ cores, of, encoded }) => `${cores.toFixed(3)} cores (encode ${of("encode-video").toFixed(3)}, network ${of("tokio-rt-worker").toFixed(3)}; ${encoded.toFixed(1)} pictures a second encoded)`;
  return `one destination ${parts(alone)}, four and a recording ${parts(together)}: ${each.toFixed(4)} each; AAC ${aac.toFixed(4)}, an input's own track ${track.toFixed(4)}; ${further}`;
}

/** Processor time while it goes to all of `to` and into `record`; `of` gives that of the threads of a name, in cores. */
async function measure(rig, { to = [], record, source, size = `${width}x${height}`, sound = true, more = [] }) {
  const receivers = [];
  const free = [...rig.recorders];
  for (const kind of to) receivers.push(await receive(rig, kind, free));
  const args = ["stream", "--no-cursor", "--stats", "json", "--size", size, "--fps", String(fps), "--kbps", String(kbps), ...more];
  if (sound) args.push("--system-sound");
  if (source) args.push("--source", source);
  for (const { address } of receivers) args.push("--to", address);
  if (record) args.push("--record", record);
  const stream = talk(ours("tidecast"), args, { env: { ...rig.display.env, ...rig.speaker.env } });
  try {
    await stream.waitLine(`${to.join(", ")} live`, (line) => {
      const event = json(line);
      return event?.type === "state" && (!record || event.recording) && event.destinations.length === receivers.length
        && event.destinations.every(({ state }) => state.kind === "live");
    }, { deadline: 40_000 });
    await pause(warmUpMs);
    const { pid } = stream.child;
    const [line, before, at] = [stream.lines.length, clocks([pid]), performance.now()];
    await pause(rig.plan.cpuSeconds * 1000);
    const seconds = (performance.now() - at) / 1000;
    const after = clocks([pid]);
    const of = (name) => spent(before, after, name) / 1000 / seconds;
    const stats = stream.lines.slice(line).map(json).filter((event) => event?.type === "stats");
    stream.child.kill("SIGINT");
    await until("the stream ends", stream.ended, { deadline: 15_000 });
    if (stream.child.exitCode !== 0) throw new Error(`tidecast: ${stream.errors.slice(-4).join(" | ")}`);
    const least = source ? 1 : leastReceived * fps * seconds;
    for (const receiver of receivers) {
      const count = await receiver.received();
      if (count < least) throw new Error(`${receiver.kind} received ${count} pictures of ${Math.round(fps * seconds)}`);
    }
    if (record && pictures(record) < least) throw new Error(`${pictures(record)} pictures were recorded`);
    const dropped = stats.flatMap(({ destinations }) => destinations).filter((each) => each.dropped_units > 0);
    if (dropped.length > 0) rig.say(`  left out: ${dropped.map((each) => `${each.id} ${each.dropped_units}`).join(", ")}`);
    const encoded = stats.reduce((sum, each) => sum + each.fps_encoded, 0) / Math.max(1, stats.length);
    return { cores: of(""), encoded, of };
  } finally {
    await stream.stop();
    for (const receiver of receivers) await receiver.stop();
    if (record) fs.rmSync(record, { force: true });
  }
}

function pictures(file) {
  const args = ["-v", "error", "-select_streams", "v", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file];
  return Number.parseInt(execFileSync(systems("ffprobe", "ffmpeg"), args, { encoding: "utf8" }), 10);
}

/** A peer that listens: where to send, and how many pictures came once the sender has gone. */
async function receive(rig, kind, free) {
  if (kind === "whip") return whip(free.shift());
  const port = kind === "rtp" ? await freePorts(4) : await freePort();
  const [address, input] = {
    rtmp: [`rtmp://127.0.0.1:${port}/live/name`, ["-listen", "1", "-i", `rtmp://127.0.0.1:${port}/live/name`]],
    srt: [`srt://127.0.0.1:${port}`, ["-i", `srt://127.0.0.1:${port}?mode=listener`]],
    rtp: [`rtp://127.0.0.1:${port}`, ["-protocol_whitelist", "file,udp,rtp", "-i", describe(rig, port)]],
  }[kind];
  const ffmpeg = talk(systems("ffmpeg"), ["-v", "error", "-nostdin", "-progress", "-", ...input, "-map", "0", "-c", "copy", "-f", "null", "-"]);
  await until(`ffmpeg listens for ${kind}`, () => {
    if (ffmpeg.ended()) throw new Error(ffmpeg.errors.join(" | "));
    return isHeld(kind === "rtmp" ? "tcp" : "udp", port);
  });
  return {
    kind,
    address,
    stop: ffmpeg.stop,
    async received() {
      // Of RTP no end is heard.
      if (kind === "rtp") ffmpeg.child.kill("SIGINT");
      await until(`ffmpeg has received ${kind}`, ffmpeg.ended, { deadline: 10_000 });
      const counts = ffmpeg.lines.map((line) => /^frame=(\d+)$/.exec(line.trim())?.[1]).filter(Boolean);
      return Number(counts[counts.length - 1] ?? 0);
    },
  };
}

async function whip({ recorder, url }) {
  const order = async () => {
    const from = recorder.lines.length;
    recorder.send("");
    return recorder.waitLine("the recorder answers", json, { from });
  };
  await order();
  return { kind: "whip", address: `whip:${url}`, stop: () => {}, received: async () => (await order()).video_units };
}

/** What a player opens: the parameter sets come in the stream. */
function describe(rig, port) {
  const file = path.join(rig.folder, "bench.sdp");
  fs.writeFileSync(file, ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=bench", "c=IN IP4 127.0.0.1", "t=0 0",
    `m=video ${port} RTP/AVP 96`, "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1",
    `m=audio ${port + 2} RTP/AVP 97`, "a=rtpmap:97 opus/48000/2", ""].join("\r\n"));
  return file;
}

/** The first of so many free ones in a row, from an even number on. */
async function freePorts(count) {
  for (;;) {
    const port = (await freePort()) & ~1;
    const row = Array.from({ length: count }, (_, above) => port + above);
    if (port + count < 65_536 && row.every((each) => !isHeld("udp", each))) return port;
  }
}
