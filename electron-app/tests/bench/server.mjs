// The live server on one core: viewers of one stream at 1080p and 6 Mbit/s, then many small publishers. Whoever watches or
// publishes is the program `server-load`, on the other cores, whose time is not counted.

import os from "node:os";
import { json, ours, systems, talk } from "../rigs/programs.mjs";
import { publishKey, startServer } from "../rigs/servers.mjs";

const publishers = 200;
/** Numbers of viewers among which the most that are carried is looked for, between the plan's own. */
const steps = [5, 10, 15, 20, 25, 35, 50, 65, 80, 100, 125, 150, 175, 200];
/** So long each: a figure of its own is not made of them. */
const searchSeconds = 8;
/** Joining, settling, starting and stopping. */
const besides = 9;

export function serverSeconds(plan) {
  return (plan.serverViewers.length + (plan.serverPublishers ? 1 : 0)) * (plan.serverSeconds + besides) + plan.serverSearches * (searchSeconds + besides);
}

/** How many loads that are, at most. */
export function serverSteps(plan) {
  return plan.serverViewers.length + (plan.serverPublishers ? 1 : 0) + plan.serverSearches;
}

/** One sample for each load. */
export async function serverRounds(plan, say, step) {
  if (os.availableParallelism() < 2) throw new Error("the server's load needs a core for the server and another for who loads it");
  const samples = [];
  const loads = plan.serverViewers.map((viewers) => ({ viewers, publishers: 1, kbps: 6000, fps: 60 }));
  if (plan.serverPublishers) loads.push({ viewers: 1, publishers, kbps: 1000, fps: 30 });
  const measure = async (load, seconds) => {
    step(`server: ${load.viewers} viewers, ${load.publishers} publishers`);
    const found = await underLoad(load, seconds);
    samples.push(found);
    say(`  ${load.viewers} viewers, ${load.publishers} publishers: ${found.cpu_seconds_per_minute.toFixed(1)} CPU-s a minute, ${found.dropped} of ${found.expected} packets dropped, forwarding p50 ${found.delay_p50_ms?.toFixed(2)} p99 ${found.delay_p99_ms?.toFixed(2)} ms, ${found.memory_mib.toFixed(0)} MiB in all`);
  };
  for (const load of loads) await measure(load, plan.serverSeconds);
  for (let search = 0; search < plan.serverSearches; search++) {
    const viewers = nextCount(samples);
    if (viewers === undefined) break;
    await measure({ viewers, publishers: 1, kbps: 6000, fps: 60 }, searchSeconds);
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
  const counts = samples.filter(held).map((each) => each.viewers);
  return counts.length > 0 ? Math.max(...counts) : undefined;
}

function held(sample) {
  return sample.publishers === 1 && sample.dropped === 0 && sample.delay_p99_ms !== null && sample.delay_p99_ms <= 5;
}

/** The step in the middle between the largest load that was held and the smallest above it that was not, if there is one. */
export function nextCount(samples) {
  const most = mostViewers(samples) ?? 0;
  const missed = samples.filter((each) => each.publishers === 1 && each.viewers > most).map((each) => each.viewers);
  const between = steps.filter((step) => step > most && step < Math.min(...missed));
  return missed.length > 0 ? between[Math.floor(between.length / 2)] : undefined;
}
