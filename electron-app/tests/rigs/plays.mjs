// What Chromium makes of a file: played to its end and sought in, with every complaint kept.

import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const types = { ".mp4": "video/mp4", ".mkv": "video/x-matroska" };

/** One file over HTTP, with the ranges that seeking asks for. */
async function serve(file) {
  const server = http.createServer((request, response) => {
    if (request.url !== "/file") {
      response.writeHead(200, { "content-type": "text/html" });
      return response.end('<!doctype html><title>plays</title><video id="v" muted playsinline></video>');
    }
    const { size } = fs.statSync(file);
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const start = range ? Number(range[1]) : 0;
    const end = range && range[2] !== "" ? Number(range[2]) : size - 1;
    response.writeHead(range ? 206 : 200, {
      "content-type": types[path.extname(file)],
      "content-length": end - start + 1,
      "accept-ranges": "bytes",
      ...(range ? { "content-range": `bytes ${start}-${end}/${size}` } : {}),
    });
    return fs.createReadStream(file, { start, end }).pipe(response);
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => new Promise((resolve) => { server.closeAllConnections?.(); server.close(resolve); }) };
}

/**
 * Plays the file in the browser at twice its speed, then seeks into its middle. Gives `{ duration, width, height, frames, dropped,
 * sound, soughtTo, complaints }`; `sound` is how many bytes of sound were decoded.
 */
export async function playInChromium(chromium, file) {
  const served = await serve(file);
  const page = await chromium.newPage();
  const complaints = [];
  page.on("console", (message) => ["warning", "error"].includes(message.type()) && !message.text().includes("favicon") && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  try {
    await page.goto(served.url);
    const played = await page.evaluate(() => new Promise((resolve, reject) => {
      const video = document.getElementById("v");
      const failed = () => reject(new Error(`the file can't be played: ${video.error?.code} ${video.error?.message}`));
      const late = setTimeout(() => reject(new Error(`it stopped at ${video.currentTime} of ${video.duration}`)), 60_000);
      video.addEventListener("error", failed);
      video.addEventListener("ended", () => {
        clearTimeout(late);
        const { totalVideoFrames: frames, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();
        const found = { duration: video.duration, width: video.videoWidth, height: video.videoHeight, frames, dropped, sound: video.webkitAudioDecodedByteCount };
        video.addEventListener("seeked", () => resolve({ ...found, soughtTo: video.currentTime }), { once: true });
        video.currentTime = video.duration / 2;
      }, { once: true });
      video.src = "/file";
      video.playbackRate = 2;
      video.play().catch(reject);
    }));
    return { ...played, complaints };
  } finally {
    await page.close();
    await served.stop();
  }
}
