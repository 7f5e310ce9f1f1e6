// Stamps: a step that was done for the same inputs, and whose outputs are still as it left them, is not done again.
// Hashes contents, never times: a fresh checkout or a switched branch changes times without changing anything.

import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";

/**
 * One hash over files and folders (walked in sorted order) and over extra facts such as a compiler's version.
 * A missing path counts as missing, it is not an error. `skip` holds names of files or folders left out.
 */
export function hashInputs({ base, paths = [], facts = [], skip = [] }) {
  const hash = crypto.createHash("sha256");
  for (const fact of facts) hash.update(`fact\0${fact}\0`);
  for (const file of paths.flatMap((each) => walk(each, new Set(skip)))) {
    hash.update(`file\0${path.relative(base, file).split(path.sep).join("/")}\0`);
    hash.update(fs.existsSync(file) ? crypto.createHash("sha256").update(fs.readFileSync(file)).digest() : "missing");
  }
  return hash.digest("hex");
}

function walk(file, skip) {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return [file];
  const inside = fs.readdirSync(file).filter((name) => !skip.has(name));
  return inside.sort().flatMap((name) => walk(path.join(file, name), skip));
}

/** Stamps of named steps in one folder. */
export class Stamps {
  constructor(folder) {
    this.folder = folder;
  }

  /** Whether `name` was done for `inputs` and all of `outputs` exist with the contents they had then. */
  isFresh(name, inputs, outputs = []) {
    const known = this.read(name);
    if (known?.inputs !== inputs) return false;
    if (!outputs.every((file) => fs.existsSync(file))) return false;
    return known.outputs === fingerprint(outputs);
  }

  /** Notes that `name` is done. `note` is kept for whoever asks with `read`. */
  save(name, inputs, outputs = [], note = undefined) {
    fs.mkdirSync(this.folder, { recursive: true });
    const text = JSON.stringify({ inputs, outputs: fingerprint(outputs), note });
    fs.writeFileSync(this.file(name), `${text}\n`);
  }

  read(name) {
    try {
      return JSON.parse(fs.readFileSync(this.file(name), "utf8"));
    } catch {
      return undefined; // none yet, or one that was cut short: the step runs again
    }
  }

  file(name) {
    return path.join(this.folder, `${name}.json`);
  }
}

// Small outputs by their contents; large ones (the addon, a program) by size and time, as reading 100 MB on each
// start would cost what the stamp is there to save.
const readWhole = 1 << 20;

function fingerprint(outputs) {
  const hash = crypto.createHash("sha256");
  for (const file of outputs) {
    const stat = fs.statSync(file);
    const small = stat.isFile() && stat.size <= readWhole;
    hash.update(small ? fs.readFileSync(file) : stat.isFile() ? `${stat.size} ${stat.mtimeMs}` : "folder");
    hash.update("\0");
  }
  return hash.digest("hex");
}
