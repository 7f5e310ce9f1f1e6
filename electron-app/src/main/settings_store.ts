/**
 * Keeps the settings in one JSON file: read once, written atomically after each change.
 *
 * A file that can't be read as settings is moved aside, never overwritten, and the user is told.
 */
import * as fs from 'fs';
import * as path from 'path';
import type { Notice } from '../shared/contract';
import { defaultSettings, parseSettings, type Settings } from '../shared/settings';

export class SettingsStore {
  private current: Settings;
  private readonly file: string;

  private constructor(
    folder: string,
    private readonly onNotice: (notice: Notice) => void,
  ) {
    this.file = path.join(folder, 'settings.json');
    this.current = this.load();
  }

  static open(folder: string, onNotice: (notice: Notice) => void): SettingsStore {
    return new SettingsStore(folder, onNotice);
  }

  get(): Settings {
    return this.current;
  }

  update(change: Partial<Settings>): Settings {
    this.current = { ...this.current, ...change };
    this.save();
    return this.current;
  }

  private load(): Settings {
    let content: string;
    try {
      content = fs.readFileSync(this.file, 'utf8');
    } catch (error) {
      // No file: the first run. One that is there but can't be read must not be overwritten by the next change.
      if (!isMissing(error)) this.keepAside();
      return defaultSettings();
    }
    try {
      return parseSettings(JSON.parse(content));
    } catch {
      this.keepAside();
      return defaultSettings();
    }
  }

  private keepAside(): void {
    const stamp = new Date().toISOString().replace(/[:.]/g, '-');
    const name = `settings.corrupt-${stamp}.json`;
    try {
      fs.renameSync(this.file, path.join(path.dirname(this.file), name));
      this.onNotice({ kind: 'settings_corrupt', keptAs: name });
    } catch {
      this.onNotice({ kind: 'settings_not_saved' });
    }
  }

  private save(): void {
    const temporary = `${this.file}.${process.pid}.tmp`;
    try {
      fs.mkdirSync(path.dirname(this.file), { recursive: true });
      const handle = fs.openSync(temporary, 'w', 0o600);
      try {
        fs.writeSync(handle, `${JSON.stringify(this.current, null, 2)}\n`);
        fs.fsyncSync(handle);
      } finally {
        fs.closeSync(handle);
      }
      fs.renameSync(temporary, this.file);
    } catch {
      this.onNotice({ kind: 'settings_not_saved' });
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
