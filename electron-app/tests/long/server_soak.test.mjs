// An hour of the live server: one stream by RTMP that is recorded and read as HLS, one by WHIP that comes and goes with its
// viewers, a publisher that dies every now and then. Nothing grows, nothing stops.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { freePort } from "../rigs/pages.mjs";
import { freshFolder, json, memoryOf, ours, stop, talk } from "../rigs/programs.mjs";
import { publishKey, publishRtmp, startServer } from "../rigs/servers.mjs";
import { median, onTheWay, pause, until } from "../rigs/wait.mjs";

/** Minutes; the environment may shorten a trial run. */
const minutes = Number(process.env.TIDECAST_SOAK_MINUTES ?? 60);
const ladder = "[transcoding]\nlinger_seconds = 2\n[transcoding.ladder.all]\nrenditions = [{ height = 180, kbps = 300 }]\nstreams = [\"live\"]\n";
const viewers = 10;
let server, rtmp, publisher;

before(async () => {
  rtmp = await freePort();
  const recording = `[recording.disk]\nfolder = "${freshFolder("soak")}"\nstreams = ["live"]\nsplit_minutes = 5\nkeep_gb = 1\n`;
  const more = `[streams.waves]\npublish_key = "${publishKey}"\n[rtmp]\nlisten = "127.0.0.1:${rtmp}"\n${recording}${ladder}`;
  server = await startServer({ open: true, more });
}, { timeout: 60_000 });

after(async () => {
  if (publisher) await stop(publisher);
  await server?.stop();
});

const live = async () => (await server.streams()).find(({ name }) => name === "live");

/** Publishes `waves` and watches it ten times for some seconds; gives how much of it arrived. */
async function wave() {
  const args = ["--server", new URL(server.base).host, "--pid", `${server.child.pid}`, "--stream", "waves"];
  const load = talk(ours("server-load"), args.concat(["--viewers", `${viewers}`, "--kbps", "1500", "--fps", "30", "--seconds", "10"]), { env: { ...process.env, TIDECAST_KEY: publishKey } });
  const { expected, dropped } = await load.waitLine("the wave is over", json, { deadline: 90_000 });
  await load.stop();
  return 1 - dropped / expected;
}

/** Reads a rendition's playlist and its newest segment, as a player that comes for a moment. */
async function readHls() {
  const read = async (place) => {
    const answer = await fetch(new URL(place, `${server.base}/hls/live/`));
    assert.equal(answer.status, 200, place);
    return answer;
  };
  await (await read("index.m3u8")).text();
  const sizes = [];
  for (const name of ["video", "180p"]) {
    const segments = await until(`${name} has segments`, async () => {
      const answer = await fetch(new URL(`${name}.m3u8`, `${server.base}/hls/live/`));
      const found = answer.ok ? (await answer.text()).split("\n").filter((line) => line && !line.startsWith("#")) : [];
      return found.length > 0 && found;
    }, { deadline: 30_000, every: 500 });
    sizes.push((await (await read(segments[segments.length - 1])).arrayBuffer()).byteLength);
  }
  return sizes;
}

test(`${minutes} minutes of publishers, viewers and readers that come and go: the server's memory, files and threads stay level`, { timeout: (minutes + 10) * 60_000 }, async (t) => {
  const { pid } = server.child;
  const count = (what) => fs.readdirSync(`/proc/${pid}/${what}`).length;
  const begin = Date.now();
  const samples = [];
  let restarts = 0;
  let waves = 0;
  let least = 1;
  while (Date.now() < begin + minutes * 60_000) {
    if (!publisher) {
      publisher = publishRtmp(rtmp);
      restarts += 1;
      await until("the stream is live", async () => (await live()).live, { deadline: 30_000 });
    }
    least = Math.min(least, await wave());
    waves += 1;
    const sizes = await readHls();
    assert.ok(sizes.every((bytes) => bytes > 1000), `${sizes}`);
    assert.ok((await live()).live, "the stream is live");
    // What lingers after readers has gone.
    await pause(10_000);
    samples.push({ memory: memoryOf(pid), files: count("fd"), threads: count("task") });
    if (waves % 10 === 0) {
      await stop(publisher);
      publisher = undefined;
    }
  }
  assert.equal(server.child.exitCode, null, "the server is there");
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const of = (part, key) => median(part.map((sample) => sample[key]));
  const told = (key) => [of(samples.slice(0, quarter), key), of(samples.slice(-quarter), key)];
  const [memory, files, threads] = ["memory", "files", "threads"].map(told);
  t.diagnostic(`memory ${memory.map((mib) => mib.toFixed(1)).join(" → ")} MiB, files ${files.join(" → ")}, threads ${threads.join(" → ")}; ${waves} waves of ${viewers} viewers, ${restarts} publishers, at least ${(least * 100).toFixed(2)} % of the packets`);
  t.diagnostic(`memory on the way: ${onTheWay(samples.map((sample) => sample.memory))} MiB`);
  // What is recorded is remembered by name; a group of pictures is as large as it comes.
  assert.ok(memory[1] < memory[0] * 1.1 + 5, "memory is level");
  assert.ok(files[1] <= files[0] + 5, "open files are level");
  assert.ok(threads[1] <= threads[0] + 5, "threads are level");
  assert.ok(least > 0.99, `${least} of the packets`);
});
