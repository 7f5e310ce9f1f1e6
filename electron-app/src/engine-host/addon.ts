/**
 * The only importer of the addon.
 *
 * It is opened by its file, not through the loader that napi-rs generates: that one needs a newer Node than the oldest
 * runtime that the app is tried on.
 */
import * as fs from 'fs';
import * as path from 'path';
import type { Engine } from '../../native/index';
import { isFields } from '../shared/parse';

export type EngineClass = typeof Engine;

/** The addon's name on this system, as `napi build --platform` names it: `tidecast.linux-x64-gnu.node`. */
export function isForThisSystem(file: string, platform: string, arch: string): boolean {
  return file.endsWith('.node') && (file.includes(`.${platform}-${arch}`) || /^[^.]+\.node$/.test(file));
}

function isEngineClass(value: unknown): value is EngineClass {
  return typeof value === 'function';
}

/** Loads the addon; throws an `Error` that says what is missing. */
export function loadEngine(): EngineClass {
  const folder = path.join(__dirname, '..', '..', 'native');
  const files = fs.readdirSync(folder).filter((file) => isForThisSystem(file, process.platform, process.arch));
  const file = files[0];
  if (file === undefined) throw new Error(`there is no addon for ${process.platform}-${process.arch} in native/`);
  // A computed path: the bundler must leave this `require` to run time.
  const addon: unknown = require(path.join(folder, file));
  const engine = isFields(addon) ? addon.Engine : undefined;
  if (!isEngineClass(engine)) throw new Error(`${file} has no Engine: it was built from other sources`);
  return engine;
}
