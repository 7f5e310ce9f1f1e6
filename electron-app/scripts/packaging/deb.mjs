// A .deb from the unpacked app, with dpkg-deb alone: electron-builder's own deb target downloads tools at build time.

import fs from "node:fs";
import path from "node:path";
import { app, ffmpegPrefix, logs, program } from "../lib/paths.mjs";
import { command } from "../lib/steps.mjs";
import { artifactSuffix, debControl, desktopEntry, icon, packageNames } from "./config.mjs";

const debArchitectures = { x64: "amd64", arm64: "arm64" };

/** Builds the .deb of `unpacked` into `output`; returns its path. */
export async function buildDeb({ unpacked, output, version, fallback, progress }) {
  const architecture = debArchitectures[process.arch] ?? process.arch;
  const tree = path.join(output, "deb-tree");
  fs.rmSync(tree, { recursive: true, force: true });
  const opt = path.join(tree, "opt", "tidecast");
  fs.cpSync(unpacked, opt, { recursive: true, verbatimSymlinks: true });
  // Chromium's sandbox helper works only when it is root's and setuid, where user namespaces are switched off.
  const sandbox = path.join(opt, "chrome-sandbox");
  if (fs.existsSync(sandbox)) fs.chmodSync(sandbox, 0o4755);
  const bin = path.join(tree, "usr", "bin");
  fs.mkdirSync(bin, { recursive: true });
  for (const name of ["tidecast", "tidecast-server"]) fs.copyFileSync(program(name), path.join(bin, name));
  fs.symlinkSync("/opt/tidecast/tidecast-desktop", path.join(bin, "tidecast-desktop"));
  write(path.join(tree, "usr", "share", "applications", "tidecast.desktop"), desktopEntry);
  copy(path.join(app, icon), path.join(tree, "usr", "share", "icons", "hicolor", "512x512", "apps", "tidecast.png"));
  const doc = path.join(tree, "usr", "share", "doc", "tidecast");
  copy(path.join(app, "..", "LICENSE"), path.join(doc, "copyright"));
  copy(path.join(app, "THIRD_PARTY_NOTICES.md"), path.join(doc, "THIRD_PARTY_NOTICES.md"));
  const gpl = path.join(ffmpegPrefix, "COPYING.GPLv2");
  if (fs.existsSync(gpl)) copy(gpl, path.join(doc, "COPYING.GPLv2"));

  const depends = await libraryPackages({ tree, opt, progress });
  const sizeKb = Math.ceil(folderBytes(tree) / 1024);
  write(path.join(tree, "DEBIAN", "control"), debControl({ version, architecture, depends, sizeKb, fallback }));
  const file = path.join(output, `tidecast_${version}_${architecture}${artifactSuffix(fallback)}.deb`);
  await command("dpkg-deb", ["--root-owner-group", "--build", "-Zxz", "-z1", tree, file], { log: path.join(logs, "dpkg-deb.log"), progress });
  fs.rmSync(tree, { recursive: true, force: true });
  return file;
}

// The packages of every library that our programs link to: libx264 among them. dpkg-shlibdeps wants a source
// package around it, of which it reads the name.
async function libraryPackages({ tree, opt, progress }) {
  const work = path.join(tree, "..", "shlibdeps");
  fs.rmSync(work, { recursive: true, force: true });
  write(path.join(work, "debian", "control"), "Source: tidecast\n\nPackage: tidecast\nArchitecture: any\n");
  const unpackedAddon = path.join(opt, "resources", "app.asar.unpacked", "native", "tidecast.node");
  const programs = [path.join(opt, "tidecast-desktop"), unpackedAddon, path.join(tree, "usr/bin/tidecast"), path.join(tree, "usr/bin/tidecast-server")];
  const log = path.join(logs, "dpkg-shlibdeps.log");
  const args = ["-O", "--ignore-missing-info", `-l${opt}`, ...programs.map((file) => `-e${path.resolve(file)}`)];
  const result = await command("dpkg-shlibdeps", args, {
    cwd: work,
    log,
    progress,
    hint: "install dpkg-dev",
  });
  fs.rmSync(work, { recursive: true, force: true });
  const found = /^shlibs:Depends=(.+)$/m.exec(result.text)?.[1];
  if (!found) throw new Error(`dpkg-shlibdeps named no package, see ${log}`);
  await everyLibraryIsNamed({ found, program: unpackedAddon, progress });
  return found;
}

// --ignore-missing-info is there for what Electron bundles; a library of the addon that is lost by it would show only
// on a user's machine, as an addon that does not load.
export async function everyLibraryIsNamed({ found, program: file, progress }) {
  const log = path.join(logs, "deb-libraries.log");
  const { text } = await command("objdump", ["-p", file], { log, progress, hint: "install binutils" });
  const needed = [...text.matchAll(/^\s*NEEDED\s+(\S+)$/gm)].map(([, library]) => library);
  const named = packageNames(found);
  for (const library of needed) {
    // The package names its files by the path that the loader finds; /usr may be merged or not.
    const cache = await command("ldconfig", ["-p"], { log, progress, env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` } });
    const place = cache.text.split("\n").find((line) => line.trim().startsWith(`${library} `))?.split(" => ")[1];
    if (!place) throw new Error(`${library}, which the addon links, is not installed`);
    const owner = await owningPackage(place.trim(), { log, progress });
    if (!named.includes(owner)) throw new Error(`the package would not depend on ${owner}, which has ${library}; see ${log}`);
  }
}

async function owningPackage(place, options) {
  const places = [place, fs.realpathSync(place), fs.realpathSync(place).replace(/^\/usr/, "")];
  for (const each of places) {
    try {
      const { text } = await command("dpkg", ["-S", each], options);
      return text.split(":")[0].trim();
    } catch {
      // Known to dpkg by another of its names.
    }
  }
  throw new Error(`no package has ${place}`);
}

function folderBytes(folder) {
  return fs.readdirSync(folder, { recursive: true }).reduce((sum, name) => {
    const stat = fs.lstatSync(path.join(folder, String(name)));
    return stat.isFile() ? sum + stat.size : sum;
  }, 0);
}

function write(file, text) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}

function copy(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.copyFileSync(from, to);
}
