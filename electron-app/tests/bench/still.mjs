// A desktop on which nothing moves, live to one WHIP peer: what it costs without and with sound, and how soon something
// that changes has arrived. Beside it the two sound encoders alone.

import path from "node:path";
import { startDisplay } from "../rigs/display.mjs";
import { startPattern } from "../rigs/pattern.mjs";
import { freshFolder, json, ours, talk } from "../rigs/programs.mjs";
import { startSound } from "../rigs/sound.mjs";
import { pause, wallClock } from "../rigs/wait.mjs";
import { order, readBack, watch } from "./measure.mjs";
import { tidecast } from "./peers.mjs";

const cell = { width: 1920, height: 1080, fps: 30, kbps: 6000, content: "still" };
/** Changes in a round, this far apart: what follows one has come to rest before the next. */
const changes = 8;
const apartMs = 500;
const soundSeconds = 30;

export function stillSeconds(plan) {
  return 5 + plan.rounds * (2 * plan.idleSeconds + 14 + (changes * apartMs) / 1000);
}

export async function stillRounds(plan, say, step) {
  const folder = freshFolder("bench-still");
  const display = await startDisplay({ width: cell.width, height: cell.height, windowManager: false });
  const sound = await startSound();
  const recorder = talk(ours("whip-recorder"), []);
  const rounds = [];
  try {
    const { url } = await recorder.waitLine("the recorder listens", json);
    const pattern = await startPattern(display, { ...cell, overrideRedirect: true });
    const rig = { folder, display, recorder, url, pattern, seconds: plan.idleSeconds };
    for (let index = 0; index < plan.rounds; index += 1) {
      step(`round ${index + 1} of ${plan.rounds}: still desktop`);
      const silent = await measure(rig, { waits: true });
      await sound.tone("speaker", 1000, plan.idleSeconds + 30, { amplitude: 0.2 });
      const heard = await measure(rig, { env: sound.env, more: ["--system-sound", "--microphone", "default"] });
      await sound.silence();
      const [opus, aac] = [await soundAlone("opus"), await soundAlone("aac")];
      rounds.push({ idle: silent.cores, audio: heard.cores - silent.cores, pixelMs: silent.slowest, opus, aac });
      const { idle, audio, pixelMs } = rounds[index];
      say(`round ${index + 1}: ${idle.toFixed(4)} cores, sound ${audio.toFixed(4)}, a change arrives within ${pixelMs?.toFixed(0)} ms; Opus alone ${opus.toFixed(4)}, AAC alone ${aac.toFixed(4)}`);
    }
    await pattern.stop();
  } finally {
    await recorder.stop();
    await sound.stop();
    await display.stop();
  }
  return rounds;
}

async function measure(rig, { env = {}, more = [], waits = false }) {
  const file = waits ? path.join(rig.folder, "still.h264") : "";
  await order(rig.recorder, file);
  const display = { ...rig.display, env: { ...rig.display.env, ...env } };
  const running = await tidecast({ sink: "whip", more }).start({ display }, cell, { url: rig.url });
  let from;
  let window;
  try {
    window = await watch({ pids: running.pids, seconds: rig.seconds, warmUp: 3000 });
    from = Math.floor(wallClock() * 10);
    for (let change = 0; waits && change < changes; change += 1) {
      await rig.pattern.tick();
      await pause(apartMs);
    }
  } finally {
    await running.stop();
  }
  await order(rig.recorder, "");
  const cores = window.cpuMs / 1000 / window.seconds;
  if (!waits) return { cores };
  const { latencies, unique } = await readBack(file, { from, until: Math.ceil(wallClock() * 10) }, cell);
  if (unique < changes) throw new Error(`${unique} of ${changes} changes arrived`);
  return { cores, slowest: latencies.length > 0 ? Math.max(...latencies) : undefined };
}

async function soundAlone(codec) {
  const program = talk(ours("encode-sound"), [codec, "--seconds", `${soundSeconds}`]);
  return (await program.waitLine(`${codec} alone`, json, { deadline: 60_000 })).cores;
}
