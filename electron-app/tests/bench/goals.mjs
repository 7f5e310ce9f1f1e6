// What is to be reached: each figure of the last line that has a goal, the highest value that meets it, and what it is.
// Ratios are of medians within one run.

export const goals = [
  ["cpu_ratio_ffmpeg", 0.62, "processor time per unique picture, 1080p60 motion, over ffmpeg x11grab, x264 ultrafast"],
  ["cpu_ratio_ffmpeg_superfast", 0.85, "the same at 1080p30, superfast"],
  ["cpu_ratio_ffmpeg_veryfast", 0.93, "the same at 1080p30, veryfast"],
  ["cpu_ratio_gstreamer", 0.65, "the same at 1080p60, over GStreamer ximagesrc, ultrafast"],
  ["cpu_ratio_chromium_x264", 0.5, "the same at 1080p30, x264 ultrafast and WebRTC, over Chromium's sender"],
  ["cpu_ratio_chromium_openh264", 0.85, "the same with OpenH264 on both sides"],
  ["cpu_ratio_encoder", 1.22, "the same at 1080p60, over the encoder alone on the same pictures"],
  ["beside_encoder_cores", 0.2, "cores for all but the encoder, 1080p60 motion, the X server's share with it"],
  ["cpu_ratio_ffmpeg_terminal", 0.2, "processor time per unique picture, scrolling terminal at 1080p60, over ffmpeg"],
  ["idle_cores", 0.01, "cores on a still desktop, one WHIP peer, video only"],
  ["idle_pixel_ms", 150, "a changed pixel of a still desktop until it arrived at the peer, ms, the slowest of them"],
  ["opus_cores", 0.012, "cores for the Opus encoder"],
  ["aac_cores", 0.035, "cores for AAC, encoded once for all that need it"],
  ["webrtc_peer_cores", 0.03, "cores for each further WebRTC peer at 6 Mbit/s"],
  ["destination_cores", 0.05, "cores for each further destination at 1080p30, 6 Mbit/s"],
  ["latency_ratio_chromium_720p30", 0.6, "glass to glass in the preview over Chromium's own loop, 720p30, p50"],
  ["latency_ratio_chromium_p95_720p30", 0.6, "the same, p95"],
  ["latency_ratio_viewer_preview_p95", 1.3, "to a viewer over the preview, p95, the worse of 720p30 and 1080p30"],
  ["preview_p50_ms_720p30", 300, "glass to glass, preview, 720p30, p50, ms"],
  ["preview_p95_ms_720p30", 300, "the same, p95 (aim on idle cores: 70)"],
  ["viewer_p50_ms_720p30", 300, "glass to glass, viewer, 720p30, p50, ms"],
  ["viewer_p95_ms_720p30", 300, "the same, p95"],
  ["preview_p50_ms_1080p30", 300, "glass to glass, preview, 1080p30, p50, ms"],
  ["preview_p95_ms_1080p30", 300, "the same, p95 (aim on idle cores: 90)"],
  ["viewer_p50_ms_1080p30", 300, "glass to glass, viewer, 1080p30, p50, ms"],
  ["viewer_p95_ms_1080p30", 300, "the same, p95"],
  ["server_cpu_50_viewers", 15, "processor seconds a minute of the server, 50 WHEP viewers at 1080p, 6 Mbit/s, on one core"],
];

/** Each goal with what was found: `met` is undefined where nothing was. */
export function judged(figures) {
  return goals.map(([key, goal, what]) => {
    const value = figures[key] ?? undefined;
    return { key, goal, what, value, met: value === undefined ? undefined : value <= goal };
  });
}
