// A viewer whose network lets no UDP through: Chromium is told the server's TCP addresses alone, and watches over one.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startDisplay } from "../rigs/display.mjs";
import { freePort } from "../rigs/pages.mjs";
import { stop } from "../rigs/programs.mjs";
import { publishRtmp, startServer } from "../rigs/servers.mjs";
import { startChromium } from "../rigs/viewer.mjs";
import { until } from "../rigs/wait.mjs";

let display, server, chromium, publisher;

before(async () => {
  const rtmp = await freePort();
  [display, server] = await Promise.all([startDisplay({ width: 800, height: 600 }), startServer({ open: true, more: `[rtmp]\nlisten = "127.0.0.1:${rtmp}"\n` })]);
  publisher = publishRtmp(rtmp);
  chromium = await startChromium(display, { width: 780, height: 560 });
  await until("the stream is live", async () => (await server.streams())[0].live, { deadline: 30_000 });
}, { timeout: 60_000 });

after(async () => {
  if (publisher) await stop(publisher);
  for (const rig of [chromium && { stop: chromium.close }, server, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

/** Watches by WHEP in the page; resolves to the candidates that the server gave. */
const watchWithoutUdp = (page) => page.evaluate(async () => {
  const peer = new RTCPeerConnection();
  window.peer = peer;
  for (const kind of ["video", "audio"]) peer.addTransceiver(kind, { direction: "recvonly" });
  await peer.setLocalDescription(await peer.createOffer());
  const answer = await fetch("/whep/live", { method: "POST", headers: { "Content-Type": "application/sdp" }, body: peer.localDescription.sdp });
  const lines = (await answer.text()).split("\r\n");
  const isUdp = (line) => /^a=candidate:\S+ \d+ udp /i.test(line);
  await peer.setRemoteDescription({ type: "answer", sdp: lines.filter((line) => !isUdp(line)).join("\r\n") });
  return lines.filter((line) => line.startsWith("a=candidate:"));
});

const figures = (page) => page.evaluate(async () => {
  const reports = [...(await window.peer.getStats()).values()];
  const of = (type, kind) => reports.find((report) => report.type === type && (kind === undefined || report.kind === kind));
  const pair = reports.find((report) => report.type === "candidate-pair" && report.nominated && report.state === "succeeded");
  const local = reports.find(({ id }) => id === pair?.localCandidateId);
  return { protocol: local?.protocol, state: window.peer.connectionState, frames: of("inbound-rtp", "video")?.framesDecoded ?? 0, energy: of("inbound-rtp", "audio")?.totalAudioEnergy ?? 0, lost: of("inbound-rtp", "video")?.packetsLost };
});

test("Chromium watches over TCP where there is nothing else", { timeout: 90_000 }, async (t) => {
  const page = await chromium.newPage();
  await page.goto(`${server.base}/healthz`);
  const candidates = await watchWithoutUdp(page);
  assert.ok(candidates.some((line) => / tcp \d+ \S+ \d+ typ host.* tcptype passive/.test(line)), candidates.join("\n"));
  const seen = await until("three seconds of pictures", async () => {
    const now = await figures(page);
    return now.frames >= 90 && now;
  }, { deadline: 40_000 });
  t.diagnostic(JSON.stringify(seen));
  assert.equal(seen.protocol, "tcp");
  const [{ viewers }] = await server.streams();
  assert.equal(viewers, 1);
});
