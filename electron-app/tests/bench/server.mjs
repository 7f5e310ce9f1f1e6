// The live server on one core: viewers of one stream at 1080p and 6 Mbit/s, then many small publishers. Whoever watches or
// publishes is the program `server-load`, on the other cores, whose time is not counted.

import os from "node:os";
import { json, ours, systems, talk } from "../rigs/programs.mjs";
import { publishKey, startServer } from "../rigs/servers.mjs";

const publishers = 200;

export function serverSeconds(plan) {
  return (plan.serverViewers.length + (plan.serverPublishers ? 1 : 0)) * (plan.serverSeconds + 9);
}

/** One sample for each load. */
export async function serverRounds(plan, say, step) {
  if (os.availableParallelism() < 2) throw new Error("the server's load needs a core for the server and another for who loads it");
  const samples = [];
  const loads = plan.serverViewers.map((viewers) => ({ viewers, publishers: 1, kbps: 6000, fps: 60 }));
  if (plan.serverPublishers) loads.push({ viewers: 1, publishers, kbps: 1000, fps: 30 });
  for (const load of loads) {
    step(`server: ${load.viewers} viewers, ${load.publishers} publishers`);
    const found = await underLoad(load, plan.serverSeconds);
    samples.push(found);
    say(`  ${load.viewers} viewers, ${load.publishers} publishers: ${found.cpu_seconds_per_minute.toFixed(1)} CPU-s a minute, ${found.dropped} of ${found.expected} packets dropped, forwarding p50 ${found.delay_p50_ms?.toFixed(2)} p99 ${found.delay_p99_ms?.toFixed(2)} ms, ${found.memory_mib.toFixed(0)} MiB in all`);
  }
  return samples;
}

async function underLoad({ viewers, publishers: count, kbps, fps }, seconds) {
  const names = ["live", ...Array.from({ length: count - 1 }, (_, index) => `s${index}`)];
  const more = names.slice(1).map((name) => `[streams.${name}]\npublish_key = "${publishKey}"\n`).join("");
  const server = await startServer({ open: true, more, under: [systems("taskset", "util-linux"), "-c", "0"] });
  try {
    const others = `1-${os.cpus().length - 1}`;
    const args = ["-c", others, ours("server-load"), "--server", new URL(server.base).host, "--pid", `${server.child.pid}`];
    args.push("--viewers", `${viewers}`, "--kbps", `${kbps}`, "--fps", `${fps}`, "--seconds", `${seconds}`);
    for (const name of names) args.push("--stream", name);
    const load = talk(systems("taskset", "util-linux"), args, { env: { ...process.env, TIDECAST_KEY: publishKey } });
    return await load.waitLine("the load is over", json, { deadline: (seconds + 180) * 1000 });
  } finally {
    await server.stop();
  }
}

/** The figures of the last line. */
export function serverFigures(samples) {
  const of = (viewers) => samples.find((each) => each.viewers === viewers && each.publishers === 1);
  const figures = {};
  for (const viewers of [50, 100, 200]) {
    figures[`server_cpu_${viewers}_viewers`] = of(viewers)?.cpu_seconds_per_minute;
    figures[`server_p99_ms_${viewers}_viewers`] = of(viewers)?.delay_p99_ms ?? undefined;
    figures[`server_dropped_${viewers}_viewers`] = of(viewers)?.dropped;
  }
  figures.server_kib_per_viewer = of(50)?.memory_per_viewer_kib;
  figures.server_most_viewers = mostViewers(samples);
  figures.server_cpu_200_publishers = samples.find((each) => each.publishers === publishers)?.cpu_seconds_per_minute;
  return figures;
}

/** The largest load on one core with forwarding at p99 within 5 ms and nothing dropped. */
export function mostViewers(samples) {
  const held = samples.filter((each) => each.publishers === 1 && each.dropped === 0 && each.delay_p99_ms !== null && each.delay_p99_ms <= 5);
  return held.length > 0 ? Math.max(...held.map((each) => each.viewers)) : undefined;
}
