import assert from "node:assert/strict";
import { test } from "node:test";
import { allNames, chooseNames, missingPackages, parseCandidates, parseInstalled, withoutPresentPrograms } from "../../scripts/setup/package-list.mjs";
import { atLeast, toolProblems } from "../../scripts/setup/tools.mjs";

test("only packages whose status is installed count", () => {
  const installed = parseInstalled("nasm installed\ncmake not-installed\nclang config-files\n\n");
  assert.deepEqual([...installed], ["nasm"]);
});

test("an alternative that is installed satisfies its entry", () => {
  const wanted = ["libasound2t64|libasound2", "nasm", "nasm", "cmake"];
  assert.deepEqual(allNames(wanted), ["libasound2t64", "libasound2", "nasm", "cmake"]);
  assert.deepEqual(missingPackages(wanted, new Set(["libasound2"])), ["nasm", "cmake"]);
});

test("of a missing entry the first name that apt can install is chosen", () => {
  const policy = `libasound2t64:
  Installed: (none)
  Candidate: (none)
libasound2:
  Installed: (none)
  Candidate: 1.2.8-1
nasm:
  Candidate: 2.16
`;
  const candidates = parseCandidates(policy);
  assert.deepEqual(chooseNames(["libasound2t64|libasound2", "nasm", "unheard-of"], candidates), {
    names: ["libasound2", "nasm"],
    unknown: ["unheard-of"],
  });
});

test("versions are compared by number, not by letter", () => {
  assert.equal(atLeast("1.100.0", "1.89"), true);
  assert.equal(atLeast("1.89.0", "1.89"), true);
  assert.equal(atLeast("1.88.9", "1.89"), false);
  assert.equal(atLeast("20.18.3", "20.19"), false);
  assert.equal(atLeast("22.0.0", "20.19"), true);
});

test("each missing or old tool is named with what to do", () => {
  const version = (name) => ({ git: "2.39.5", rustc: "1.70.0", cargo: "1.70.0", rustfmt: "1.5" })[name];
  const problems = toolProblems({ nodeVersion: "18.1.0", version, forTests: true });
  assert.equal(problems.length, 3);
  assert.match(problems[0].what, /Node 18\.1\.0 is too old/);
  assert.match(problems[1].hint, /rustup update/);
  assert.match(problems[2].hint, /component add clippy/);
});

test("nothing is said when every tool is there", () => {
  assert.deepEqual(toolProblems({ nodeVersion: "20.20.2", version: () => "2.0.0", forTests: true }), []);
});

test("a browser that came from elsewhere is not installed again", () => {
  const wanted = ["chromium|chromium-browser", "ffmpeg"];
  assert.deepEqual(withoutPresentPrograms(wanted, (name) => name === "chromium"), ["ffmpeg"]);
  assert.deepEqual(withoutPresentPrograms(wanted, () => false), wanted);
});
