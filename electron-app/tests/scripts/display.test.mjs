import assert from "node:assert/strict";
import { test } from "node:test";
import { hasDisplay } from "../../scripts/lib/display.mjs";

test("on Linux a screen is one of X11 or Wayland", () => {
  assert.equal(hasDisplay({}, "linux"), false);
  assert.equal(hasDisplay({ DISPLAY: "" }, "linux"), false);
  assert.equal(hasDisplay({ DISPLAY: ":0" }, "linux"), true);
  assert.equal(hasDisplay({ WAYLAND_DISPLAY: "wayland-0" }, "linux"), true);
});

test("macOS and Windows need no variable", () => {
  assert.equal(hasDisplay({}, "darwin"), true);
  assert.equal(hasDisplay({}, "win32"), true);
});
