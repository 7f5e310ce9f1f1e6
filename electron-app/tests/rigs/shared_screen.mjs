// A Wayland desktop's way to share a screen: a real PipeWire, GStreamer as its screen, and a portal whose user is the
// test (the binary `shared-screen-rig` of the testkit).

import { json, ours, talk } from "./programs.mjs";

/** Starts it with a screen of one colour ("e06820"); gives `{ env, answer, decide, asked, close, end, shortcuts, press, release, give, stop }`. */
export async function startSharedScreen({ width = 640, height = 360, fps = 30, colour = "e06820" } = {}) {
  const caps = `format=BGRx,width=${width},height=${height},framerate=${fps}/1`;
  const rig = talk(ours("shared-screen-rig"), [caps, "pattern=solid-color", `foreground-color=0xff${colour}`]);
  const first = await rig.waitLine("the shared screen is up", (line) => json(line), { deadline: 40_000 });
  if (first.error) throw new Error(`shared screen: ${first.error}`);
  const ask = async (line) => {
    const from = rig.lines.length;
    rig.send(line);
    const answer = await rig.waitLine(`shared screen: ${line}`, (text) => json(text), { from, deadline: 20_000 });
    if (answer.error) throw new Error(`shared screen: ${line}: ${answer.error}`);
    return answer;
  };
  return {
    env: first,
    /** What the user does when asked: "share", "refuse", "fail", "think". */
    answer: (word) => ask(`answer ${word}`),
    decide: (yes) => ask(`decide ${yes ? "yes" : "no"}`),
    asked: () => ask("asked"),
    close: () => ask("close"),
    /** The keys that were asked for: [id, description, wish]. */
    shortcuts: () => ask("shortcuts").then(({ bound }) => bound),
    press: (id) => ask(`press ${id}`),
    release: (id) => ask(`release ${id}`),
    /** The user gives keys to these alone. */
    give: (...ids) => ask(`give ${ids.join(" ")}`),
    /** Another producer in its place, as after a restart of the compositor. */
    restart: () => ask("restart"),
    end: () => ask("end"),
    stop: rig.stop,
  };
}
