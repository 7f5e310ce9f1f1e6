// Chromium as a sender: its capture of the whole screen, its H.264, to the WHIP recorder. It is started once and keeps its
// page; each run is a new capture and a new peer connection.

import { commandLine, family } from "../rigs/programs.mjs";
import { startBlankPage } from "../rigs/pages.mjs";
import { startChromium } from "../rigs/viewer.mjs";
import { until } from "../rigs/wait.mjs";

/** Its rate control starts low and feels its way up. */
const warmUp = 4000;
/** What it prefers is a screen's share that is always whole: the size stays, and the bitrate is there from the start. */
const rate = (kbps) => `x-google-start-bitrate=${kbps};x-google-min-bitrate=${kbps};x-google-max-bitrate=${kbps}`;

/** As `start` of a peer, see `peers.mjs`. */
export async function startSender(rig, cell, { url }) {
  const { page, pid } = rig.chromium;
  const offer = await page.evaluate(offerScreen, cell);
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: offer });
  if (answer.status !== 201) throw new Error(`the recorder answered ${answer.status}`);
  const sdp = withRate(await answer.text(), cell.kbps);
  await page.evaluate(takeAnswer, { sdp, kbps: cell.kbps, fps: cell.fps });
  await until("Chromium sends", () => page.evaluate(() => window.tidecastSender.peer.connectionState === "connected"));
  return { pids: () => family(pid), warmUp, stop: () => page.evaluate(() => window.tidecastSender.stop()) };
}

/** The bitrate is there from the first second (`x-google-*` of the answer's H.264). */
export function withRate(sdp, kbps) {
  return sdp.replace(/^(a=fmtp:\d+ [^\r\n]*packetization-mode[^\r\n]*)/gm, `$1;${rate(kbps)}`);
}

/** Opens it outside of what the display shows: each capture brings its window to the front, and it would cover the pattern. */
export async function openChromium(display) {
  const site = await startBlankPage();
  const browser = await startChromium(display, {
    args: ["--auto-select-desktop-capture-source=Entire screen", "--enable-usermedia-screen-capturing"],
    x: 8000,
    y: 8000,
    width: 320,
    height: 240,
  });
  const page = await browser.firstPage();
  await page.goto(site.url);
  const pid = browserPid();
  if (!pid) throw new Error("Chromium's process was not found");
  return { page, pid, close: async () => { await browser.close(); await site.stop(); } };
}

/** The browser's own process: the one of ours that has a profile and is no helper of another. */
function browserPid() {
  const found = family(process.pid).filter((pid) => {
    const line = commandLine(pid);
    return line.some((word) => word.startsWith("--user-data-dir=")) && !line.some((word) => word.startsWith("--type="));
  });
  return found[found.length - 1];
}

/** Runs in the page. */
async function offerScreen({ width, height, fps }) {
  const stream = await navigator.mediaDevices.getDisplayMedia({
    video: { frameRate: fps, width: { max: width }, height: { max: height }, cursor: "never" },
    audio: false,
  });
  const peer = new RTCPeerConnection();
  const [track] = stream.getVideoTracks();
  track.contentHint = "motion";
  const sender = peer.addTrack(track, stream);
  const [transceiver] = peer.getTransceivers();
  transceiver.direction = "sendonly";
  const { codecs } = RTCRtpSender.getCapabilities("video");
  const h264 = codecs.filter(({ mimeType, sdpFmtpLine }) => mimeType === "video/H264" && /packetization-mode=1/.test(sdpFmtpLine) && /profile-level-id=42/.test(sdpFmtpLine));
  if (h264.length === 0) throw new Error("this Chromium has no H.264 to send with");
  transceiver.setCodecPreferences([...h264, ...codecs.filter(({ mimeType }) => mimeType.endsWith("rtx"))]);
  await peer.setLocalDescription();
  if (peer.iceGatheringState !== "complete") {
    await new Promise((resolve) => {
      peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
    });
  }
  const stop = () => {
    peer.close();
    stream.getTracks().forEach((each) => each.stop());
  };
  window.tidecastSender = { peer, sender, stop };
  return peer.localDescription.sdp;
}

/** Runs in the page. */
async function takeAnswer({ sdp, kbps, fps }) {
  const { peer, sender } = window.tidecastSender;
  await peer.setRemoteDescription({ type: "answer", sdp });
  const parameters = sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  parameters.encodings[0].maxBitrate = kbps * 1000;
  parameters.encodings[0].maxFramerate = fps;
  await sender.setParameters(parameters);
}
