import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { hashInputs, Stamps } from "../../scripts/lib/stamp.mjs";

function folder(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "tidecast-stamp-"));
  t.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

test("the hash follows contents and names, not times", (t) => {
  const base = folder(t);
  const file = path.join(base, "a", "b.txt");
  fs.mkdirSync(path.dirname(file));
  fs.writeFileSync(file, "one");
  const hash = () => hashInputs({ base, paths: [base] });
  const first = hash();
  fs.utimesSync(file, new Date(0), new Date(0));
  assert.equal(hash(), first);
  fs.writeFileSync(file, "two");
  assert.notEqual(hash(), first);
  fs.writeFileSync(file, "one");
  fs.renameSync(file, path.join(base, "a", "c.txt"));
  assert.notEqual(hash(), first);
});

test("skipped names do not change the hash, facts do", (t) => {
  const base = folder(t);
  fs.writeFileSync(path.join(base, "a"), "1");
  const hash = (facts) => hashInputs({ base, paths: [base], skip: ["target"], facts });
  const first = hash(["1.95"]);
  fs.mkdirSync(path.join(base, "target"));
  fs.writeFileSync(path.join(base, "target", "x"), "1");
  assert.equal(hash(["1.95"]), first);
  assert.notEqual(hash(["1.96"]), first);
});

test("a path that does not exist has a hash of its own", (t) => {
  const base = folder(t);
  const file = path.join(base, "later");
  const missing = hashInputs({ base, paths: [file] });
  fs.writeFileSync(file, "");
  assert.notEqual(hashInputs({ base, paths: [file] }), missing);
});

test("a step is fresh only for the same inputs and untouched outputs", (t) => {
  const base = folder(t);
  const out = path.join(base, "out.d.ts");
  const stamps = new Stamps(path.join(base, "stamps"));
  assert.equal(stamps.isFresh("x", "1", [out]), false);
  fs.writeFileSync(out, "a");
  stamps.save("x", "1", [out]);
  assert.equal(stamps.isFresh("x", "1", [out]), true);
  assert.equal(stamps.isFresh("x", "2", [out]), false);
  fs.writeFileSync(out, "edited by hand");
  assert.equal(stamps.isFresh("x", "1", [out]), false);
  fs.rmSync(out);
  assert.equal(stamps.isFresh("x", "1", [out]), false);
});

test("a stamp that was cut short counts as none", (t) => {
  const stamps = new Stamps(folder(t));
  fs.writeFileSync(stamps.file("x"), '{"inputs": "1');
  assert.equal(stamps.isFresh("x", "1"), false);
});
