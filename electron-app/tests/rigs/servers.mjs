// A `tidecast-server` of its own, on free ports.

import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { freshFolder, ours, systems, talk } from "./programs.mjs";
import { freePort } from "./pages.mjs";
import { until } from "./wait.mjs";

export const publishKey = "rig-publish-key-0123456789abcdef";
export const viewToken = "rig-view-token-0123456789abcdefgh";

/**
 * Starts it with one stream, `live`; `open` leaves out the view token, `more` is what else stands in its file, `under` a
 * command that becomes it (`taskset …`).
 */
export async function startServer({ open = false, port, more = "", under = [] } = {}) {
  const folder = freshFolder("server");
  const config = path.join(folder, "server.toml");
  const http = `127.0.0.1:${port ?? (await freePort())}`;
  fs.writeFileSync(config, `http = "${http}"\n[streams.live]\npublish_key = "${publishKey}"\n${open ? "" : `view_token = "${viewToken}"\n`}${more}`);
  const [program, ...args] = [...under, ours("tidecast-server"), "--config", config];
  const server = talk(program, args);
  const base = `http://${http}`;
  await until("the server answers", async () => {
    if (server.ended()) throw new Error(server.errors.concat(server.lines).slice(-5).join(" | "));
    return (await fetch(`${base}/healthz`)).ok;
  });
  return {
    base,
    config,
    whip: `${base}/whip/live`,
    whep: `${base}/whep/live`,
    key: publishKey,
    page: `${base}/?stream=live${open ? "" : `#${viewToken}`}`,
    child: server.child,
    log: () => server.errors.concat(server.lines),
    streams: () => fetch(`${base}/api/v1/streams`, { headers: { authorization: `Bearer ${publishKey}` } }).then((answer) => answer.json()),
    stop: server.stop,
  };
}

/** ffmpeg publishes a test picture and a tone to `live` by RTMP, with a keyframe in two seconds; gives its process. */
export function publishRtmp(port, { size = "640x360", kbps = 800 } = {}) {
  const args = ["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", `testsrc2=s=${size}:r=30`, "-re", "-f", "lavfi", "-i", "sine=440:r=44100"]
    .concat(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0", "-g", "60", "-b:v", `${kbps}k`, "-pix_fmt", "yuv420p"])
    .concat(["-c:a", "aac", "-f", "flv", `rtmp://127.0.0.1:${port}/live/${publishKey}`]);
  return spawn(systems("ffmpeg"), args, { stdio: "ignore" });
}
