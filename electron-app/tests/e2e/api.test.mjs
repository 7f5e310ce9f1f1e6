// The API does what /api/v1/openapi.json says: schemathesis, which no one here wrote, asks the real server what the
// document allows and what it forbids, with and without a sign-in, and compares each answer with what is promised.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { schemathesis } from "../../scripts/setup/schemathesis.mjs";
import { freshFolder, ours } from "../rigs/programs.mjs";
import { startServer } from "../rigs/servers.mjs";

const limit = { timeout: 120_000 };
const password = "a long enough password";
let server, folder;

before(async () => {
  folder = freshFolder("api");
  server = await startServer({ open: true, more: `[limits]\nfailures_per_minute = 0\n[admin]\nfolder = "${path.join(folder, "state")}"\n` });
  const tool = spawnSync(ours("tidecast-server"), ["--config", server.config, "set-admin-password"], { input: `${password}\n`, encoding: "utf8" });
  assert.equal(tool.status, 0, tool.stderr);
}, { timeout: 60_000 });

after(() => server?.stop());

/** Asks; the same questions each time. `parameters`: what stands in the place of made-up values. */
function ask(parameters, args) {
  assert.ok(fs.existsSync(schemathesis), "schemathesis is missing: npm run setup --prefix electron-app -- --tests");
  const config = path.join(folder, "schemathesis.toml");
  const lines = Object.entries(parameters).map(([name, value]) => `"${name}" = ${JSON.stringify(value)}\n`);
  fs.writeFileSync(config, `[parameters]\n${lines.join("")}`);
  const asked = spawnSync("python3", [
    "-m", "schemathesis.cli", "--config-file", config, "run", `${server.base}/api/v1/openapi.json`,
    "--seed", "1", "--max-examples", "12", "--workers", "1", "--no-color", "--generation-database", "none", ...args,
  ], { cwd: folder, encoding: "utf8", env: { ...process.env, PYTHONPATH: schemathesis, PYTHONDONTWRITEBYTECODE: "1" }, timeout: limit.timeout });
  const said = `${asked.stdout}\n${asked.stderr}`;
  const cases = Number(/(\d+) generated/.exec(said)?.[1] ?? 0);
  return { status: asked.status, said, cases };
}

test("whoever is signed in gets what the description promises, and nothing that it forbids", limit, async (t) => {
  const signedIn = await fetch(`${server.base}/api/v1/admin/session`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ password }) });
  const cookie = /^tidecast_admin=([0-9a-f]+);/.exec(signedIn.headers.get("set-cookie"))?.[1];
  assert.ok(cookie);
  // Signing out would end the questions, and the events never end by themselves.
  const { status, said, cases } = ask({ "cookie.tidecast_admin": cookie, "path.stream": "live" }, ["--exclude-operation-id", "getEvents", "--exclude-operation-id", "signIn", "--exclude-operation-id", "signOut"]);
  t.diagnostic(`${cases} questions`);
  assert.equal(status, 0, said);
  assert.ok(cases > 200, said);
});

test("whoever is not signed in is refused as the description says", limit, async (t) => {
  const { status, said, cases } = ask({}, []);
  t.diagnostic(`${cases} questions`);
  assert.equal(status, 0, said);
  assert.ok(cases > 150, said);
});
