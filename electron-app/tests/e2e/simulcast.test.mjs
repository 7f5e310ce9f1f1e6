// Chromium publishes one picture in three sizes (`sendEncodings`) to our server, and another page of it watches each.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startDisplay } from "../rigs/display.mjs";
import { publishKey, startServer } from "../rigs/servers.mjs";
import { openViewer, startChromium } from "../rigs/viewer.mjs";
import { until } from "../rigs/wait.mjs";

let display, server, chromium;

before(async () => {
  [display, server] = await Promise.all([startDisplay({ width: 1280, height: 900 }), startServer({ open: true })]);
  chromium = await startChromium(display, { width: 1100, height: 860 });
}, { timeout: 60_000 });

after(async () => {
  for (const rig of [chromium && { stop: chromium.close }, server, display]) await Promise.resolve(rig?.stop()).catch(() => {});
});

/** Publishes a moving picture of 1280×720 (of less Chromium sends fewer sizes) and its half and quarter, named worst first as many pages do. Gives the answer. */
const publish = (page) => page.evaluate(async (key) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1280, 720];
  const context = canvas.getContext("2d");
  let number = 0;
  setInterval(() => {
    number += 1;
    context.fillStyle = `hsl(${number % 360} 80% 50%)`;
    context.fillRect(0, 0, 1280, 720);
    context.fillStyle = "white";
    context.fillRect((number * 14) % 1200, 200, 120, 320);
  }, 40);
  const [track] = canvas.captureStream(25).getVideoTracks();
  const peer = new RTCPeerConnection();
  window.peer = peer;
  const transceiver = peer.addTransceiver(track, {
    direction: "sendonly",
    sendEncodings: [{ rid: "l", scaleResolutionDownBy: 4 }, { rid: "m", scaleResolutionDownBy: 2 }, { rid: "h" }],
  });
  const { codecs } = RTCRtpSender.getCapabilities("video");
  const h264 = codecs.filter(({ mimeType, sdpFmtpLine }) => mimeType === "video/H264" && /packetization-mode=1/.test(sdpFmtpLine) && /profile-level-id=42/.test(sdpFmtpLine));
  transceiver.setCodecPreferences([...h264, ...codecs.filter(({ mimeType }) => mimeType.endsWith("rtx"))]);
  await peer.setLocalDescription();
  if (peer.iceGatheringState !== "complete") {
    await new Promise((resolve) => {
      peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
    });
  }
  const response = await fetch("/whip/live", { method: "POST", headers: { "Content-Type": "application/sdp", authorization: `Bearer ${key}` }, body: peer.localDescription.sdp });
  const answer = await response.text();
  await peer.setRemoteDescription({ type: "answer", sdp: answer });
  return answer;
}, publishKey);

/** Sends these encodings and no others. */
const send = (page, rids) => page.evaluate(async (active) => {
  const [sender] = window.peer.getSenders();
  const parameters = sender.getParameters();
  for (const encoding of parameters.encodings) encoding.active = active.includes(encoding.rid);
  await sender.setParameters(parameters);
}, rids);

const names = async () => (await server.streams())[0].renditions.filter(({ state }) => state === "running").map(({ name }) => name);
const height = (page) => page.evaluate(() => document.querySelector("video").videoHeight);
const sees = (page, wanted) => until(`${wanted} rows`, async () => (await height(page)) === wanted, { deadline: 30_000 });

test("what Chromium sends in three sizes is had in each", { timeout: 120_000 }, async () => {
  const publisher = await chromium.newPage();
  await publisher.goto(`${server.base}/healthz`);
  const answer = await publish(publisher);
  assert.match(answer, /^a=simulcast:recv l;m;h\r$/m);
  await until("three sizes, the largest as the source", async () => (await names()).join() === "source,360p,180p" && (await server.streams())[0].height === 720, { deadline: 30_000 });

  const { page: viewer } = await openViewer(chromium, server.page);
  await sees(viewer, 720);
  for (const [name, rows] of [["180p", 180], ["360p", 360], ["source", 720]]) {
    await viewer.selectOption("#quality", name);
    await sees(viewer, rows);
  }
  // As it does by itself where its network carries less.
  await send(publisher, ["l", "m"]);
  await sees(viewer, 360);
  await send(publisher, ["l", "m", "h"]);
  await sees(viewer, 720);
  await publisher.close();
});
