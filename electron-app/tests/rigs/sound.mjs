// A private sound server with a speaker and a microphone (the binary `sound-rig` of the testkit).

import { start } from "../../scripts/lib/run.mjs";
import { json, ours, stop, systems, talk } from "./programs.mjs";
import { wallClock } from "./wait.mjs";

/** Starts it; gives `{ env, tone, beep, silence, kill, restart, stop }`. */
export async function startSound() {
  const rig = talk(ours("sound-rig"), []);
  const first = await rig.waitLine("the sound rig is up", (line) => json(line), { deadline: 40_000 });
  if (first.error) throw new Error(`sound rig: ${first.error}`);
  const ask = async (line) => {
    const from = rig.lines.length;
    rig.send(line);
    const answer = await rig.waitLine(`sound rig: ${line}`, (text) => json(text), { from, deadline: 20_000 });
    if (answer.error) throw new Error(`sound rig: ${line}: ${answer.error}`);
    return answer;
  };
  return {
    env: first,
    /** Plays into `speaker` or `microphone`; `side`: left or right only. */
    tone: (target, hz, seconds, { amplitude = 0.3, side = "" } = {}) => ask(`tone ${target} ${hz} ${seconds} ${amplitude} ${side}`.trim()),
    /** Plays now; gives when it was heard, wall clock ms. */
    beep: (target, hz, seconds, amplitude = 0.5) => ask(`beep ${target} ${hz} ${seconds} ${amplitude}`).then(({ stamp }) => stamp / 10),
    silence: () => ask("stop"),
    kill: () => ask("kill"),
    restart: () => ask("start"),
    stop: rig.stop,
  };
}

/** Hears what a rig's speaker plays; gives `onsets()`: when each sound began, wall clock ms, late by 5 to 10 ms. */
export function listenToSpeaker(sound) {
  const args = ["-d", "speaker.monitor", "--raw", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=5"];
  const recorder = start(systems("parec", "pulseaudio-utils"), args, { env: { ...process.env, ...sound.env }, stdio: ["ignore", "pipe", "ignore"] });
  const onsets = [];
  let quiet = Infinity;
  recorder.stdout.on("data", (data) => {
    const arrived = wallClock();
    const count = data.length >> 1;
    for (let index = 0; index < count; index += 1) {
      if (Math.abs(data.readInt16LE(index * 2)) < 1600) quiet += 1;
      else {
        // 25 ms of quiet lie between two sounds, never within a tone.
        if (quiet > 1200) onsets.push(arrived - (count - index) / 48);
        quiet = 0;
      }
    }
  });
  return { onsets: () => onsets.slice(), stop: () => stop(recorder) };
}

/** The environment of a machine without any sound server. */
export function noSound(folder) {
  return {
    PULSE_SERVER: `unix:${folder}/no-pulse`,
    PIPEWIRE_REMOTE: "no-pipewire",
    PIPEWIRE_RUNTIME_DIR: folder,
    PULSE_RUNTIME_PATH: folder,
    XDG_RUNTIME_DIR: folder,
    ALSA_CONFIG_PATH: "/dev/null",
  };
}

/**
 * Runs in the page: listens to the sound of a video's stream with WebAudio. Afterwards `window.tidecastEar` has
 * `spectrum()` (per channel: loudest frequency, its level and the RMS), `take()` (level per block), `onsets()`.
 */
export async function installEar({ selector, beepHz }) {
  const video = document.querySelector(selector);
  const context = new AudioContext({ latencyHint: "interactive", sampleRate: 48000 });
  await context.resume();
  const source = context.createMediaStreamSource(new MediaStream((video.srcObject ?? video.captureStream()).getAudioTracks()));
  const splitter = context.createChannelSplitter(2);
  source.connect(splitter);
  const analysers = [0, 1].map((channel) => {
    const analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    analyser.smoothingTimeConstant = 0;
    splitter.connect(analyser, channel);
    return analyser;
  });
  let offset = -Infinity;
  const begin = performance.now();
  while (performance.now() - begin < 4) offset = Math.max(offset, Date.now() - performance.now());
  const log = [];
  const onsets = [];
  // A worklet sees every sample with its time; the main thread may be late without harm.
  const code = `
    registerProcessor("ear", class extends AudioWorkletProcessor {
      constructor() { super(); this.loud = false; this.quiet = 0; this.phase = [0, 0]; }
      process([input]) {
        const [left] = input;
        if (!left) return true;
        let sum = 0;
        const power = new Float32Array(4);
        for (let index = 0; index < left.length; index += 1) {
          const value = left[index];
          sum += value * value;
          if (Math.abs(value) > 0.05) {
            if (!this.loud) this.port.postMessage({ onset: currentTime + index / sampleRate });
            this.loud = true;
            this.quiet = 0;
          } else {
            this.quiet += 1;
            if (this.quiet > 1200) this.loud = false;
          }
        }
        this.port.postMessage({ at: currentTime, rms: Math.sqrt(sum / left.length) });
        return true;
      }
    });`;
  await context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(code)}`);
  const ear = new AudioWorkletNode(context, "ear");
  source.connect(ear);
  const silent = context.createGain();
  silent.gain.value = 0;
  ear.connect(silent).connect(context.destination);
  // When a sample of the graph is processed, on the wall clock: currentTime moves in blocks, so the least lag of the
  // last second's readings is the true one (an underrun moves it). What the device adds is not the stream's.
  const lags = [];
  const clock = setInterval(() => {
    lags.push(performance.now() + offset - context.currentTime * 1000);
    if (lags.length > 50) lags.shift();
  }, 20);
  const wallOf = (time) => time * 1000 + (lags.length > 0 ? Math.min(...lags) : performance.now() + offset - context.currentTime * 1000);
  ear.port.onmessage = ({ data }) => {
    if (data.onset !== undefined) onsets.push(wallOf(data.onset));
    else {
      log.push({ at: wallOf(data.at), rms: data.rms });
      if (log.length > 60000) log.splice(0, 30000);
    }
  };
  const spectrum = () => analysers.map((analyser) => {
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    const rms = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
    let best = 1;
    for (let bin = 1; bin < bins.length; bin += 1) if (bins[bin] > bins[best]) best = bin;
    const width = context.sampleRate / analyser.fftSize;
    const levelAt = (hz) => Math.max(...[-1, 0, 1].map((step) => bins[Math.round(hz / width) + step]));
    return { hz: best * width, db: bins[best], rmsDb: 20 * Math.log10(rms + 1e-9), db440: levelAt(440), db1000: levelAt(1000) };
  });
  window.tidecastEar = {
    spectrum,
    state: () => context.state,
    /** RMS of each block of 128 samples with its wall clock, ms. */
    take: () => log.splice(0),
    onsets: () => onsets.slice(),
    stop: () => {
      clearInterval(clock);
      return context.close();
    },
  };
}
