// What a smaller rendition costs the live server: the processor time of one 720p rendition of a 1080p30 stream, and of all that
// is done with it besides (its files), over the stream's own files alone. Whoever reads asks for playlists only.

import { spawn } from "node:child_process";
import { freePort } from "../rigs/pages.mjs";
import { stop, systems } from "../rigs/programs.mjs";
import { publishKey, startServer } from "../rigs/servers.mjs";
import { pause, until } from "../rigs/wait.mjs";
import { clocks, spent } from "./measure.mjs";

/** Longer than a rendition is made for when nobody reads it any more. */
const lingerSeconds = 1;

export function ladderSeconds(plan) {
  return 12 + plan.rounds * (2 * plan.ladderSeconds + 6);
}

/** One sample a round: `{ cores }` more while the rendition is read. */
export async function ladderRounds(plan, say, step) {
  const rtmp = await freePort();
  const more = `[rtmp]\nlisten = "127.0.0.1:${rtmp}"\n[transcoding]\nlinger_seconds = ${lingerSeconds}\n[transcoding.ladder.all]\nrenditions = [{ height = 720 }]\n`;
  const server = await startServer({ open: true, more });
  const publisher = spawn(
    systems("ffmpeg"),
    ["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"]
      .concat(["-bf", "0", "-g", "60", "-b:v", "6000k", "-maxrate", "6000k", "-bufsize", "1500k", "-pix_fmt", "yuv420p", "-f", "flv", `rtmp://127.0.0.1:${rtmp}/live/${publishKey}`]),
    { stdio: "ignore" },
  );
  try {
    await until("the stream is live", async () => (await server.streams())[0].live, { deadline: 30_000 });
    const isMade = async () => (await server.streams())[0].renditions.some(({ name, state }) => name === "720p" && state === "running");
    const samples = [];
    for (let round = 0; round < plan.rounds; round++) {
      step(`round ${round + 1} of ${plan.rounds}: a 720p rendition`);
      const alone = await coresWhileRead(server, "video", plan.ladderSeconds, async () => !(await isMade()));
      const both = await coresWhileRead(server, "720p", plan.ladderSeconds, isMade);
      samples.push({ alone, cores: both - alone });
    }
    for (const { alone, cores } of samples) say(`  the server with the stream's own files ${alone.toFixed(3)} core, the 720p rendition ${cores.toFixed(3)} more`);
    return samples;
  } finally {
    await stop(publisher);
    await server.stop();
  }
}

/** Cores of the server while somebody asks for that playlist twice a second, from when `ready` says so. */
async function coresWhileRead(server, name, seconds, ready) {
  let reading = true;
  const asks = (async () => {
    while (reading) {
      await fetch(`${server.base}/hls/live/${name}.m3u8`).then((answer) => answer.text(), () => undefined);
      await pause(500);
    }
  })();
  try {
    await until(`${name} is read`, ready, { deadline: 30_000 });
    await pause(1000);
    const [before, from] = [clocks([server.child.pid]), performance.now()];
    await pause(seconds * 1000);
    return spent(before, clocks([server.child.pid])) / (performance.now() - from);
  } finally {
    reading = false;
    await asks;
  }
}
