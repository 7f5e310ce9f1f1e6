/**
 * What lets the desktop share a screen or window again without asking its user: one token for each source, good once.
 *
 * Kept with the stream keys, sealed where the system can; a token in wrong hands lets them look at the screen.
 */
import type { KeyStore } from './key_store';

const PREFIX = 'source:';

export class Grants {
  constructor(
    private readonly keys: KeyStore,
    /** Tells that one could not be written. */
    private readonly onFailure: () => void,
  ) {}

  /** By source. */
  all(): Array<{ sourceId: string; token: string }> {
    return this.keys.ids(PREFIX).flatMap((id) => {
      const token = this.keys.get(id);
      return token === undefined ? [] : [{ sourceId: id.slice(PREFIX.length), token }];
    });
  }

  /** The desktop asks anew next time. */
  forget(sourceId: string): void {
    this.keep(sourceId, '');
  }

  keep(sourceId: string, token: string): void {
    try {
      this.keys.set(`${PREFIX}${sourceId}`, token);
    } catch {
      // The sharing goes on; the user is asked again next time.
      this.onFailure();
    }
  }
}
