import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { artifactSuffix, builderConfig, debControl, packageNames } from "../../scripts/packaging/config.mjs";

test("a package with the old runtime says so in every name", () => {
  const config = builderConfig({ fallbackDist: "/somewhere", fallbackVersion: "9.4.1" });
  assert.match(config.artifactName, /-oldelectron-test-only\./);
  assert.equal(config.electronDist, "/somewhere");
  assert.equal(artifactSuffix(true), "-oldelectron-test-only");
  const control = debControl({ version: "0.1.0", architecture: "amd64", depends: "libx264-164", sizeKb: 1, fallback: true });
  assert.match(control, /^Version: 0\.1\.0~oldelectron$/m);
  assert.match(control, /TEST ONLY/);
  // A machine without PipeWire can have the package too.
  assert.match(control, /^Recommends: .*libpipewire-0\.3-0/m);
  assert.doesNotMatch(control, /^Depends: .*pipewire/m);
});

test("a package with the current runtime keeps the fuse that the engine host needs, and closes the others", () => {
  const config = builderConfig();
  assert.equal(config.electronDist, undefined);
  assert.equal(config.electronFuses.runAsNode, true);
  assert.equal(config.electronFuses.enableNodeOptionsEnvironmentVariable, false);
  assert.doesNotMatch(config.artifactName, /oldelectron/);
});

test("the addon lies outside the archive", () => {
  const config = builderConfig();
  assert.deepEqual(config.asarUnpack, ["native/*.node"]);
  assert.ok(config.files.includes("native/*.node"));
});

test("the control file is a well-formed paragraph", () => {
  const control = debControl({ version: "0.1.0", architecture: "amd64", depends: "libc6, libx264-164", sizeKb: 7, fallback: false });
  for (const line of control.trimEnd().split("\n")) assert.match(line, /^([A-Z][\w-]*: \S| \S)/);
  assert.match(control, /^Depends: libc6, libx264-164$/m);
});

test("macOS is told why it will be asked, and Windows and macOS get an installer", () => {
  const { mac, win } = builderConfig();
  for (const right of ["Microphone", "Camera", "AudioCapture", "ScreenCapture"]) assert.match(mac.extendInfo[`NS${right}UsageDescription`], /^Tidecast /);
  assert.equal(mac.minimumSystemVersion, "14.6");
  const entitlements = fs.readFileSync(new URL(`../../${mac.entitlements}`, import.meta.url), "utf8");
  for (const right of ["device.audio-input", "device.camera", "cs.allow-jit"]) assert.ok(entitlements.includes(`com.apple.security.${right}<`), right);
  assert.deepEqual([win.target, mac.target], ["nsis", "dmg"]);
});

test("package names are read out of a Depends line", () => {
  assert.deepEqual(packageNames("libc6 (>= 2.36), libmfx1, libva2 (>= 1.0) | libva3, libx264-164:amd64"), ["libc6", "libmfx1", "libva2", "libva3", "libx264-164"]);
  assert.deepEqual(packageNames(""), []);
});
