// `npm run bench`: measures the app against ffmpeg, its own encoder and Chromium, all in one run and interleaved.
// The last line is one line of JSON. `-- --quick` takes under five minutes instead of thirty.
//
//   --quick      fewer and shorter rounds
//   --only cpu|latency|destinations   a part (the figures of the others are null)
//   --no-setup   trust that set-up is complete

import { runBench } from "../tests/bench/run.mjs";
import { report } from "./lib/steps.mjs";
import { setup } from "./setup.mjs";

const args = process.argv.slice(2);
try {
  if (!args.includes("--no-setup")) await setup({ yes: args.includes("--yes"), tests: true });
  const only = args.includes("--only") ? args[args.indexOf("--only") + 1] : undefined;
  process.exitCode = await runBench({ quick: args.includes("--quick"), only });
} catch (error) {
  report(error);
  process.exitCode = 1;
}
process.exit();
