/**
 * The destinations' stream keys and the desktop's grants, one file beside the settings, which never leave main.
 *
 * Sealed by the system's secure storage where there is one; else in the clear, in a file that only this user can
 * read, and the page says so. A file that can't be read is left alone until a key is saved anew.
 */
import * as fs from 'fs';
import * as path from 'path';
import { fields, text } from '../shared/parse';

export interface Sealer {
  /** Base64 of the sealed text; `undefined` where there is no secure storage. */
  seal(secret: string): string | undefined;
  unseal(sealed: string): string | undefined;
}

interface Entry {
  sealed?: string;
  plain?: string;
}

export class KeyStore {
  private readonly file: string;
  private readonly entries = new Map<string, Entry>();

  constructor(
    folder: string,
    private readonly sealer: Sealer,
  ) {
    this.file = path.join(folder, 'keys.json');
    try {
      const read = fields(JSON.parse(fs.readFileSync(this.file, 'utf8')), 'keys');
      for (const [id, value] of Object.entries(read)) {
        const entry = fields(value, `keys.${id}`);
        if (entry.sealed !== undefined) this.entries.set(id, { sealed: text(entry.sealed, 'sealed', 16_384) });
        else this.entries.set(id, { plain: text(entry.plain, 'plain', 2048) });
      }
    } catch {
      this.entries.clear();
    }
  }

  has(id: string): boolean {
    return this.entries.has(id);
  }

  /** Of all keys whose id begins so. */
  ids(prefix: string): string[] {
    return [...this.entries.keys()].filter((id) => id.startsWith(prefix));
  }

  /** `undefined` where there is none, or where it was sealed by another user, machine or keyring. */
  get(id: string): string | undefined {
    const entry = this.entries.get(id);
    return entry?.sealed === undefined ? entry?.plain : this.sealer.unseal(entry.sealed);
  }

  /** The empty text forgets it. Throws where the file can't be written. */
  set(id: string, key: string): void {
    if (key === '') this.entries.delete(id);
    else {
      const sealed = this.sealer.seal(key);
      this.entries.set(id, sealed === undefined ? { plain: key } : { sealed });
    }
    this.save();
  }

  private save(): void {
    const temporary = `${this.file}.${process.pid}.tmp`;
    fs.mkdirSync(path.dirname(this.file), { recursive: true });
    // Created closed to others: there is no moment in which they could open it.
    fs.rmSync?.(temporary, { force: true });
    const handle = fs.openSync(temporary, 'wx', 0o600);
    try {
      fs.writeSync(handle, `${JSON.stringify(Object.fromEntries(this.entries), null, 2)}\n`);
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
    fs.renameSync(temporary, this.file);
  }
}
