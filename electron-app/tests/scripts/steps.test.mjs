import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { failure, run, tail } from "../../scripts/lib/run.mjs";
import { SetupError, command, seconds } from "../../scripts/lib/steps.mjs";

function log(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tidecast-run-"));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, "log");
}

test("durations never read 60 seconds", () => {
  assert.equal(seconds(900), "0.9 s");
  assert.equal(seconds(119_700), "2 min 0 s");
  assert.equal(seconds(61_000), "1 min 1 s");
});

test("stdout and stderr keep their order in the log, and every line is seen", async (t) => {
  const seen = [];
  const script = 'for (let i = 0; i < 20; i++) { require("fs").writeSync(i % 2 ? 1 : 2, `line ${i}\\n`); }';
  const result = await run(process.execPath, ["-e", script], { log: log(t), onLine: (line) => seen.push(line) });
  assert.equal(failure(result), undefined);
  assert.deepEqual(seen, Array.from({ length: 20 }, (_, i) => `line ${i}`));
  assert.equal(tail(result.text, 2), "line 18\nline 19");
});

test("a command that takes too long is ended with all that it started", async (t) => {
  const script = 'const c = require("child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]); console.log(c.pid); setInterval(() => {}, 1000)';
  const result = await run(process.execPath, ["-e", script], { log: log(t), timeout: 3000 });
  assert.match(failure(result), /too long/);
  const grandchild = Number(result.text);
  assert.ok(grandchild > 0, result.text);
  const state = () => {
    try {
      // A zombie that no one has reaped yet has ended all the same.
      return /\) (\w)/.exec(fs.readFileSync(`/proc/${grandchild}/stat`, "utf8"))[1];
    } catch {
      return "gone";
    }
  };
  for (let i = 0; i < 100 && !["gone", "Z", "X"].includes(state()); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(["gone", "Z", "X"].includes(state()));
});

test("a failing step says what failed, what to do, and the end of its log", async (t) => {
  const failing = command(process.execPath, ["-e", 'console.error("no such header"); process.exit(3)'], { log: log(t), hint: "install it" });
  await assert.rejects(failing, (error) => {
    assert.ok(error instanceof SetupError);
    assert.match(error.message, /ended with code 3/);
    assert.match(error.detail, /no such header/);
    assert.equal(error.hint, "install it");
    return true;
  });
});

test("a program that is not there is a failure with its reason", async (t) => {
  assert.match(failure(await run("no-such-program-anywhere", [], { log: log(t) })), /could not be started/);
});
