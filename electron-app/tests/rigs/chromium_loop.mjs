// Chromium's own capture and (with `peer`) its own WebRTC loop, inside one page: what the bench compares with.

/** Runs in the page (a secure context with `<video id="v">`). */
export async function captureLoop({ fps = 30, kbps = 4000, width = 1280, height = 720, peer = true }) {
  const stream = await navigator.mediaDevices.getDisplayMedia({
    video: { frameRate: fps, width: { max: width }, height: { max: height } },
    audio: false,
  });
  const video = document.querySelector("#v");
  if (!peer) {
    video.srcObject = stream;
    await video.play();
    return;
  }
  const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
  from.onicecandidate = ({ candidate }) => candidate && to.addIceCandidate(candidate);
  to.onicecandidate = ({ candidate }) => candidate && from.addIceCandidate(candidate);
  to.ontrack = ({ receiver, streams }) => {
    receiver.jitterBufferTarget = 0;
    video.srcObject = streams[0];
  };
  const [track] = stream.getVideoTracks();
  // The same job as ours: the full size, whatever the machine has to say; how often is up to Chromium.
  track.contentHint = "motion";
  const sender = from.addTrack(track, stream);
  const transceiver = from.getTransceivers()[0];
  const h264 = RTCRtpReceiver.getCapabilities("video").codecs.filter((codec) => codec.mimeType === "video/H264");
  if (h264.length > 0) transceiver.setCodecPreferences([...h264, ...RTCRtpReceiver.getCapabilities("video").codecs.filter((codec) => codec.mimeType.endsWith("rtx"))]);
  await from.setLocalDescription();
  await to.setRemoteDescription(from.localDescription);
  await to.setLocalDescription();
  await from.setRemoteDescription(to.localDescription);
  const parameters = sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  parameters.encodings[0].maxBitrate = kbps * 1000;
  parameters.encodings[0].maxFramerate = fps;
  await sender.setParameters(parameters);
  window.tidecastLoop = { from, to };
}
