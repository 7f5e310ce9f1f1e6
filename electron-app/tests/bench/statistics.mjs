// Samples to figures: pure, and tested. A sample is one run of one peer; a figure is a median over rounds, or a ratio of
// two such medians.

import { median } from "../rigs/wait.mjs";

/** The samples of a place in the matrix. */
export function at(samples, content, size, peer) {
  return samples.filter((each) => each.content === content && each.size === size && each.peer === peer && !each.failed);
}

/** The median of a field; undefined where nobody measured it. */
export function middle(samples, field) {
  const numbers = samples.map((each) => (typeof field === "function" ? field(each) : each[field]));
  const known = numbers.filter((value) => Number.isFinite(value));
  return known.length > 0 ? median(known) : undefined;
}

/** PSNR may be lower than theirs by so many dB. */
export const alikeDb = 0.5;
/** And the bitrate higher by so much. */
export const alikeRate = 1.1;

/** Why two rows of samples did unlike work; undefined where they can be compared. */
export function unlike(ours, theirs) {
  const [own, other] = [middle(ours, "psnr"), middle(theirs, "psnr")];
  if (own !== undefined && other !== undefined && own < other - alikeDb) {
    return `our pictures are ${(other - own).toFixed(2)} dB worse`;
  }
  const [rate, others] = [middle(ours, "kbps"), middle(theirs, "kbps")];
  if (rate !== undefined && others !== undefined && rate > others * alikeRate) {
    return `our bitrate is ${Math.round(rate)} kbit/s, theirs ${Math.round(others)}`;
  }
  return undefined;
}

/** The ratio of the medians; undefined where one is missing or the work was unlike. */
export function ratio(ours, theirs, field = "perFrame") {
  const [own, other] = [middle(ours, field), middle(theirs, field)];
  if (own === undefined || !(other > 0) || unlike(ours, theirs)) return undefined;
  return own / other;
}

/** What the matrix says of the goals. */
export function matrixFigures(samples) {
  const of = (content, size, peer) => at(samples, content, size, peer);
  const motion60 = (peer) => of("motion", "1080p60", peer);
  const motion30 = (peer) => of("motion", "1080p30", peer);
  const [own, encoder, nobody] = ["tidecast", "encoder", "nobody"].map(motion60);
  return {
    cpu_ratio_ffmpeg: ratio(own, motion60("ffmpeg")),
    cpu_ratio_ffmpeg_superfast: ratio(motion30("tidecast superfast"), motion30("ffmpeg superfast")),
    cpu_ratio_ffmpeg_veryfast: ratio(motion30("tidecast veryfast"), motion30("ffmpeg veryfast")),
    cpu_ratio_gstreamer: ratio(own, motion60("gstreamer")),
    // Chromium's rate control is its own: pictures and bitrate stand in the table, the work per picture is compared.
    cpu_ratio_chromium_x264: plainRatio(motion30("tidecast webrtc"), motion30("chromium")),
    cpu_ratio_chromium_openh264: plainRatio(motion30("tidecast openh264"), motion30("chromium")),
    cpu_ratio_encoder: plainRatio(own, encoder),
    beside_encoder_cores: besideEncoder(own, encoder, nobody),
    cpu_ratio_ffmpeg_terminal: ratio(of("terminal", "1080p60", "tidecast"), of("terminal", "1080p60", "ffmpeg")),
  };
}

function plainRatio(ours, theirs) {
  const [own, other] = [middle(ours, "perFrame"), middle(theirs, "perFrame")];
  return own === undefined || !(other > 0) ? undefined : own / other;
}

/** Cores for all but the encoder: our own, and what the X server does more than without anybody who looks. */
export function besideEncoder(own, encoder, nobody) {
  const [cores, fps, perFrame] = [middle(own, "cores"), middle(own, "fps"), middle(encoder, "perFrame")];
  const [looked, unlooked] = [middle(own, "serverCores"), middle(nobody, "serverCores")];
  if ([cores, fps, perFrame, looked, unlooked].some((each) => each === undefined)) return undefined;
  return cores - (perFrame * fps) / 1000 + Math.max(0, looked - unlooked);
}

/** JSON has no NaN: what couldn't be measured is null. */
export function round(value, digits) {
  return value === undefined || value === null || !Number.isFinite(value) ? null : Number(value.toFixed(digits));
}
