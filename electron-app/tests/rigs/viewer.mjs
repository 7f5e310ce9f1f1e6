// Chromium, as a viewer has it.

import { chromium } from "playwright-core";
import { freshFolder, systems } from "./programs.mjs";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-extensions",
  // Tests watch pages that lie behind others.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/**
 * Starts Chromium on a display; gives `{ newPage, close }`. `sound`: the environment of a sound rig, else it plays
 * into nothing. Autoplay with sound is allowed unless `autoplay` is false.
 */
export async function startChromium(display, { sound, args = [], width = 1024, height = 700, x = 0, y = 0, autoplay = true } = {}) {
  const env = { ...display.env, ...sound };
  const context = await chromium.launchPersistentContext(freshFolder("chromium"), {
    executablePath: `/usr/bin/${systems("chromium")}`,
    headless: false,
    ignoreDefaultArgs: ["--mute-audio", "--hide-scrollbars", "--enable-automation"],
    args: [
      ...flags,
      ...(autoplay ? ["--autoplay-policy=no-user-gesture-required"] : []),
      `--window-size=${width},${height}`,
      `--window-position=${x},${y}`,
      ...args,
    ],
    env,
    viewport: null,
    // The ear loads a worklet into the page; the page's own policy is tested where the page is.
    bypassCSP: true,
  });
  return {
    context,
    newPage: () => context.newPage(),
    firstPage: () => context.pages()[0] ?? context.newPage(),
    close: () => context.close(),
  };
}

/** Runs in each page before its own scripts: keeps the peer connections it makes, so that their figures can be read. */
function keepPeers() {
  const Original = window.RTCPeerConnection;
  window.tidecastPeers = [];
  window.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      window.tidecastPeers.push(this);
    }
  };
}

/** Opens the viewer's page and presses play where it asks for it. */
export async function openViewer(chromium, url, { fresh = true } = {}) {
  const page = fresh ? await chromium.newPage() : await chromium.firstPage();
  await page.addInitScript(keepPeers);
  const opened = performance.now();
  await page.goto(url);
  return { page, opened };
}

/** The newest peer connection's incoming video and audio figures. */
export function inbound(page) {
  return page.evaluate(async () => {
    const peers = window.tidecastPeers.filter((peer) => peer.connectionState === "connected");
    const peer = peers[peers.length - 1];
    if (!peer) return undefined;
    const found = { at: performance.timeOrigin + performance.now() };
    for (const report of (await peer.getStats()).values()) {
      if (report.type === "inbound-rtp") found[report.kind] = report;
    }
    return found.video && found;
  });
}

/** Kilobits per second on the wire (RTP headers included, video) over `ms`. */
export async function wireKbps(page, ms) {
  const before = await inbound(page);
  await new Promise((resolve) => setTimeout(resolve, ms));
  const after = await inbound(page);
  const bytes = ({ video }) => video.bytesReceived + video.headerBytesReceived;
  // The report's own clock: what it counts was counted then.
  const seconds = (after.video.timestamp - before.video.timestamp) / 1000;
  return ((bytes(after) - bytes(before)) * 8) / 1000 / seconds;
}

/** How long the browser holds sound back before it plays it: milliseconds, the mean over `ms`. */
export async function soundBufferMs(page, ms) {
  const before = await inbound(page);
  await new Promise((resolve) => setTimeout(resolve, ms));
  const after = await inbound(page);
  const grown = (field) => after.audio[field] - before.audio[field];
  return (1000 * grown("jitterBufferDelay")) / grown("jitterBufferEmittedCount");
}

/** Distances between keyframes as decoded, in pictures and seconds, watched for `ms`. */
export function keyframeDistances(page, ms) {
  return page.evaluate(async (duration) => {
    const peer = window.tidecastPeers[window.tidecastPeers.length - 1];
    const receiver = peer.getReceivers().find((each) => each.track.kind === "video");
    const marks = [];
    let last;
    const end = performance.now() + duration;
    while (performance.now() < end) {
      for (const report of (await receiver.getStats()).values()) {
        if (report.type !== "inbound-rtp") continue;
        if (last !== undefined && report.keyFramesDecoded > last) marks.push({ frame: report.framesDecoded, at: report.timestamp });
        last = report.keyFramesDecoded;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return marks.slice(1).map((mark, index) => ({ frames: mark.frame - marks[index].frame, seconds: (mark.at - marks[index].at) / 1000 }));
  }, ms);
}

/** Runs in the page: `count` WHEP players beside the page's own. */
export async function manyPlayers({ whep, token, count }) {
  const players = [];
  for (let index = 0; index < count; index += 1) {
    const peer = new RTCPeerConnection();
    peer.addTransceiver("video", { direction: "recvonly" });
    peer.addTransceiver("audio", { direction: "recvonly" });
    const video = document.createElement("video");
    Object.assign(video, { muted: true, autoplay: true, playsInline: true, id: `player${index}` });
    video.style.cssText = "width:160px;height:90px";
    document.body.append(video);
    const stream = new MediaStream();
    video.srcObject = stream;
    peer.ontrack = ({ track }) => stream.addTrack(track);
    await peer.setLocalDescription();
    if (peer.iceGatheringState !== "complete") {
      await new Promise((resolve) => {
        peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
      });
    }
    const headers = { "content-type": "application/sdp" };
    if (token) headers.authorization = `Bearer ${token}`;
    const answer = await fetch(whep, { method: "POST", headers, body: peer.localDescription.sdp });
    if (answer.status !== 201) throw new Error(`WHEP ${answer.status}: ${await answer.text()}`);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    players.push({ peer, video });
  }
  window.tidecastPlayers = players;
}

/** The WHEP address and the view token behind a viewer's link. */
export function whepOf(viewUrl) {
  const { origin, pathname, searchParams, hash } = new URL(viewUrl);
  const stream = searchParams.get("stream") ?? pathname.split("/").pop();
  return { whep: `${origin}/whep/${stream}`, token: new URLSearchParams(hash.slice(1)).get("token") };
}
