// The time pattern's window, and its reader in a browser. The geometry is that of rust-native/crates/testkit/src/
// time_pattern: change the two together.

import assert from "node:assert/strict";
import { json, ours, talk } from "./programs.mjs";

/** The colour bars, RGB, from left to right. */
const bars = [
  [191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [40, 40, 40],
];

/** Each bar as it was read is its colour, no channel further off than `tolerance` levels. */
export function assertBars(found, tolerance) {
  const wrong = found.filter((colour, bar) => colour.some((value, channel) => Math.abs(value - bars[bar][channel]) > tolerance));
  assert.equal(wrong.length, 0, `colour bars off by more than ${tolerance} levels: ${JSON.stringify(found)}`);
}

/** Opens the window; `options`: size, position, content, title, fps, overrideRedirect, flashLog. */
export async function startPattern(display, options = {}) {
  const { width = 1280, height = 720, x = 0, y = 0, content = "cells", title = "time pattern", fps = 60 } = options;
  const args = ["--size", `${width}x${height}`, "--position", `${x},${y}`, "--content", content, "--title", title, "--fps", String(fps)];
  if (options.overrideRedirect) args.push("--override-redirect");
  if (options.flashLog) args.push("--flash-log");
  const program = talk(ours("time-pattern"), args, { env: display.env });
  const first = await program.waitLine("the pattern's window opens", (line) => json(line)?.window && json(line));
  // The answer to a command is the first line of its kind that comes after it.
  const ask = async (line, key) => {
    const from = program.lines.length;
    program.send(line);
    return program.waitLine(`the pattern answers "${line}"`, (text) => json(text)?.[key] !== undefined && json(text), { from });
  };
  return {
    ...first,
    child: program.child,
    title,
    send: program.send,
    stop: program.stop,
    ended: program.ended,
    setContent: (name) => ask(`content ${name}`, "content"),
    /** Draws one new stamp; gives `{ tick, shown }` in 0.1 ms. */
    tick: () => ask("tick", "tick"),
    /** Changes one pixel; gives `{ pixel, shown }` in 0.1 ms. */
    pixel: (px, py, rgb) => ask(`pixel ${px} ${py} ${rgb}`, "pixel"),
    /** When flashes were drawn, wall clock ms (needs `flashLog`). */
    flashes: () => program.lines.map(json).filter((line) => line?.flash).map((line) => ((line.flash + line.shown) / 2) / 10),
  };
}

/**
 * Runs in the page: reads the pattern from each new picture of a video. Give it to `page.evaluate`.
 * Afterwards `window.tidecastPattern` has `take()` (log so far, emptied), `colours()`, `level(x, y)`.
 */
export function installReader({ selector, content = "cells", region = [0, 0, 1, 1] }) {
  if (window.tidecastPattern) window.tidecastPattern.stop();
  const share = ["motion", "terminal", "film"].includes(content) ? 8 / 64 : 16 / 64;
  const flashZone = { bars: undefined, cells: [28, 36], still: [28, 36], flash: [16, 64] }[content];
  const [left, top, wide, high] = region;
  // Eight pixels a cell: the browser averages while it scales, and little is read back.
  const cell = 8;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [16 * cell, 4 * cell];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const spot = document.createElement("canvas");
  [spot.width, spot.height] = [4, 4];
  const spotContext = spot.getContext("2d", { willReadFrequently: true });
  // The wall clock to a fraction of a millisecond: Date.now() truncates, so its highest lead over the monotonic
  // clock within a few milliseconds is the true offset.
  let offset = -Infinity;
  const begin = performance.now();
  while (performance.now() - begin < 4) offset = Math.max(offset, Date.now() - performance.now());
  const wall = (monotonic) => monotonic + offset;

  const checksum = (bits) => {
    let crc = 0xffff;
    for (let byte = 0; byte < 6; byte += 1) {
      let value = 0;
      for (let bit = 0; bit < 8; bit += 1) value = value * 2 + bits[byte * 8 + bit];
      crc ^= value << 8;
      for (let step = 0; step < 8; step += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
    }
    return crc;
  };
  const read = (video) => {
    const { videoWidth: w, videoHeight: h } = video;
    context.drawImage(video, left * w, top * h, wide * w, high * h * share, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const levels = [];
    for (let index = 0; index < 64; index += 1) {
      const x0 = (index % 16) * cell;
      const y0 = Math.floor(index / 16) * cell;
      let sum = 0;
      for (const dy of [3, 4]) for (const dx of [3, 4]) sum += data[((y0 + dy) * canvas.width + x0 + dx) * 4 + 1];
      levels.push(sum / 4);
    }
    const low = Math.min(...levels);
    const high255 = Math.max(...levels);
    if (high255 - low < 70) return undefined;
    const bits = levels.map((level) => (level > (low + high255) / 2 ? 1 : 0));
    const sum = bits.slice(48).reduce((value, bit) => value * 2 + bit, 0);
    if (checksum(bits) !== sum) return undefined;
    return bits.slice(0, 48).reduce((value, bit) => value * 2 + bit, 0) / 10; // ms
  };
  /** Mean RGB of a spot, coordinates as shares of the pattern. */
  const spotAt = (video, x, y, size = 0.01) => {
    const { videoWidth: w, videoHeight: h } = video;
    spotContext.drawImage(video, (left + (x - size / 2) * wide) * w, (top + (y - size / 2) * high) * h, size * wide * w, size * high * h, 0, 0, 4, 4);
    const { data } = spotContext.getImageData(0, 0, 4, 4);
    const mean = [0, 0, 0];
    for (let pixel = 0; pixel < 16; pixel += 1) for (let c = 0; c < 3; c += 1) mean[c] += data[pixel * 4 + c] / 16;
    return mean.map((value) => Math.round(value * 10) / 10);
  };

  const centres = [0, 1, 2, 3, 4, 5, 6, 7].map((bar) => [(bar * 2 + 1) / 16, 22 / 64]);
  const canvasColours = () => centres.map(([x, y]) => spotAt(video(), x, y, 0.03));
  // Today's Chromium draws BT.709 into a canvas with a table that is 5 % short on blue (libyuv's 8-bit kYuvH709): the
  // decoder's own planes are read instead, and converted by the tags that came with them.
  const exactColours = async () => {
    const frame = new VideoFrame(video());
    const data = new Uint8Array(frame.allocationSize());
    const planes = await frame.copyTo(data);
    const { format, codedWidth, codedHeight } = frame;
    const { matrix, fullRange, primaries, transfer } = frame.colorSpace;
    frame.close();
    const interleaved = format === "NV12";
    if (!interleaved && format !== "I420") throw new Error(`planes in ${format}`);
    const bars = centres.map(([cx, cy]) => {
      const px = Math.floor((left + cx * wide) * codedWidth);
      const py = Math.floor((top + cy * high) * codedHeight);
      const sums = [0, 0, 0];
      for (let dy = -4; dy < 4; dy += 1) {
        for (let dx = -4; dx < 4; dx += 1) {
          const [hx, hy] = [(px + dx) >> 1, (py + dy) >> 1];
          sums[0] += data[planes[0].offset + (py + dy) * planes[0].stride + px + dx];
          for (const chroma of [0, 1]) {
            const { offset, stride } = planes[interleaved ? 1 : 1 + chroma];
            sums[1 + chroma] += data[offset + hy * stride + (interleaved ? hx * 2 + chroma : hx)];
          }
        }
      }
      // Limited range; the weights of the matrix it is tagged with (ITU-R BT.709-6, 3.3; BT.601-7, 2.5.1).
      const luma = (sums[0] / 64 - 16) / 219;
      const [cb, cr] = [(sums[1] / 64 - 128) / 224, (sums[2] / 64 - 128) / 224];
      const [kr, kb] = matrix === "bt709" ? [0.2126, 0.0722] : [0.299, 0.114];
      const [red, blue] = [luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb];
      const rgb = [red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue];
      return rgb.map((value) => Math.round(Math.min(1, Math.max(0, value)) * 2550) / 10);
    });
    return { bars, tags: { matrix, fullRange, primaries, transfer } };
  };

  let log = [];
  const flashes = [];
  let white = false;
  let stopped = false;
  let unread = 0;
  const video = () => document.querySelector(selector);
  let watched;
  const onFrame = (now, metadata) => {
    if (stopped) return;
    const element = watched;
    if (element === video()) element.requestVideoFrameCallback(onFrame);
    const stamp = read(element);
    const at = wall(performance.now());
    if (stamp === undefined) unread += 1;
    log.push({
      stamp,
      now: at,
      shown: wall(metadata.expectedDisplayTime ?? now),
      width: element.videoWidth,
      height: element.videoHeight,
      presented: metadata.presentedFrames,
    });
    if (log.length > 20000) log = log.slice(-10000);
    if (flashZone) {
      const level = spotAt(element, 0.5, (flashZone[0] + flashZone[1]) / 128, 0.04)[1];
      if (level > 128 !== white) {
        white = !white;
        if (white) flashes.push({ at, shown: wall(metadata.expectedDisplayTime ?? now) });
      }
    }
  };
  // The element may be made anew (a reconnect): follow it.
  const follow = () => {
    if (stopped) return;
    const element = video();
    if (element && element !== watched) {
      watched = element;
      element.requestVideoFrameCallback(onFrame);
    }
  };
  const timer = setInterval(follow, 50);
  follow();
  window.tidecastPattern = {
    wall: () => wall(performance.now()),
    take: () => log.splice(0),
    latest: () => log[log.length - 1],
    flashes: () => flashes.slice(),
    unread: () => unread,
    /** The bars as RGB, and how the picture is tagged where the browser tells. */
    colours: async () => (window.VideoFrame ? exactColours() : { bars: canvasColours() }),
    level: (x, y, size) => spotAt(video(), x, y, size),
    /** The exact RGB of one pixel of the video. */
    pixel: (x, y) => {
      spotContext.drawImage(video(), x, y, 1, 1, 0, 0, 4, 4);
      return [...spotContext.getImageData(1, 1, 1, 1).data.slice(0, 3)];
    },
    stop: () => {
      stopped = true;
      clearInterval(timer);
    },
  };
}

/** Figures of a reader's log: unique stamps per second, longest gap (ms), latencies (ms). */
export function summary(log) {
  const readable = log.filter((entry) => entry.stamp !== undefined && entry.stamp !== null);
  const seen = new Set();
  const fresh = readable.filter((entry) => !seen.has(entry.stamp) && seen.add(entry.stamp));
  const gaps = fresh.slice(1).map((entry, index) => entry.now - fresh[index].now);
  const span = fresh.length > 1 ? fresh[fresh.length - 1].now - fresh[0].now : 0;
  return {
    frames: log.length,
    unreadable: log.length - readable.length,
    unique: fresh.length,
    fps: span > 0 ? ((fresh.length - 1) * 1000) / span : 0,
    longestGap: Math.max(0, ...gaps),
    latencies: fresh.map((entry) => entry.now - entry.stamp),
  };
}
