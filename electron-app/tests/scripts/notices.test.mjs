import assert from "node:assert/strict";
import { test } from "node:test";
import { bareImports, linkedPackages } from "../../scripts/notices/collect.mjs";
import { offersApache, renderNotices } from "../../scripts/notices/render.mjs";

test("Apache-2.0 is chosen only where it is offered alone", () => {
  assert.equal(offersApache("MIT OR Apache-2.0"), true);
  assert.equal(offersApache("MIT/Apache-2.0"), true);
  assert.equal(offersApache("Zlib OR Apache-2.0 OR MIT"), true);
  assert.equal(offersApache("ISC AND (Apache-2.0 OR ISC)"), false);
  assert.equal(offersApache("MIT"), false);
});

test("build tools, tests and proc-macros are not among what is shipped", () => {
  const lib = (id, kind = "lib") => ({ id, name: id, targets: [{ kind: [kind] }] });
  const dep = (pkg, kind = null) => ({ pkg, dep_kinds: [{ kind }] });
  const metadata = {
    packages: [lib("app"), lib("linked"), lib("deep"), lib("cc"), lib("proptest"), lib("derive", "proc-macro"), lib("syn")],
    resolve: {
      nodes: [
        { id: "app", deps: [dep("linked"), dep("cc", "build"), dep("proptest", "dev"), dep("derive")] },
        { id: "linked", deps: [dep("deep")] },
        { id: "derive", deps: [dep("syn")] },
      ],
    },
  };
  assert.deepEqual([...linkedPackages(metadata, ["app"])].sort(), ["app", "deep", "linked"]);
});

test("imported packages are found in scripts and styles, relative and built-in ones are not", () => {
  const source = `import { h } from "preact"; import { x } from "./x"; import fs from "node:fs"; import path from "path";
import type { A } from "@scope/name/deep"; const y = import("qrcode-generator"); export * from 'other/sub';
@import "@fontsource-variable/inter/wght.css";`;
  assert.deepEqual(bareImports(source).sort(), ["@fontsource-variable/inter", "@scope/name", "other", "preact", "qrcode-generator"]);
});

test("equal licence texts stand once with all their users", () => {
  const one = { name: "a", version: "1", license: "MIT", source: "", texts: [{ name: "LICENSE", text: "Copyright X\nPermission" }] };
  const two = { ...one, name: "b", texts: [{ name: "LICENSE", text: "Copyright X Permission" }] };
  const text = renderNotices({ native: [], npm: [one], rust: [two] });
  assert.match(text, /### a 1, b 1/);
  assert.equal(text.match(/Permission/g).length, 1);
});
