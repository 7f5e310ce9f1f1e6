// `npm run bench`: measures the app against ffmpeg, GStreamer, its own encoder and Chromium, and the live server under
// load, all in one run and interleaved. Progress with the time that is left; tables and a plot are written under
// rust-native/benches/results; the last line is one line of JSON. About three quarters of an hour; nothing is resumed.
//
//   --quick      one short round of what most of the goals are judged by, in about three minutes
//   --only PART  one or some, with commas, of latency, matrix, still, destinations, server, ladder (the figures of the others are null)
//   --rounds N   so many rounds
//   --out DIR    write there
//   --no-setup   trust that set-up is complete

import { runBench } from "../tests/bench/run.mjs";
import { report } from "./lib/steps.mjs";
import { setup } from "./setup.mjs";

const args = process.argv.slice(2);
const valueOf = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
try {
  if (!args.includes("--no-setup")) await setup({ yes: args.includes("--yes"), tests: true });
  const rounds = Number.parseInt(valueOf("--rounds") ?? "", 10) || undefined;
  process.exitCode = await runBench({ quick: args.includes("--quick"), only: valueOf("--only"), rounds, out: valueOf("--out") });
} catch (error) {
  report(error);
  process.exitCode = 1;
}
process.exit();
