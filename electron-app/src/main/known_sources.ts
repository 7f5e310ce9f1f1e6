/**
 * What each source that was ever listed is, and is called: a closed window is in no list any more, and its loss is told
 * by its name all the same.
 */
import type { VideoSource } from '../shared/model';
import type { NamedSource } from '../shared/source_names';

/** Kinds of sources that show nothing but themselves, whatever lies over them. */
const BY_THEMSELVES = ['window', 'game', 'camera', 'image', 'text', 'color', 'pattern'];

/** As many as are kept; what was listed longest ago is forgotten first. */
const MOST = 2_000;

export class KnownSources {
  private readonly known = new Map<string, Pick<VideoSource, 'kind' | 'title' | 'lastingId'>>();

  learn(sources: readonly VideoSource[]): void {
    for (const { id, kind, title, lastingId } of sources) {
      this.known.delete(id);
      this.known.set(id, { kind, title, lastingId });
    }
    for (const id of this.known.keys()) {
      if (this.known.size <= MOST) return;
      this.known.delete(id);
    }
  }

  /** What names it after a restart. */
  lastingOf(id: string): string {
    return this.known.get(id)?.lastingId ?? id;
  }

  /** Whether all that lies on a part of the desktop is in that source. A source that no list had tells it by its id. */
  showsDesktop(id: string): boolean {
    const kind = this.known.get(id)?.kind;
    if (kind !== undefined) return !BY_THEMSELVES.includes(kind);
    return !/^\w+:(window|find|game)\b|^(camera|image|text|color|pattern):/.test(id);
  }

  /** What the user calls it: its name in the scene (as JSON), else its title. */
  named(id: string, scene: string | undefined): NamedSource {
    const own = scene === undefined ? undefined : itemName(scene, id);
    const { kind, title } = this.known.get(id) ?? { kind: '', title: '' };
    return own === undefined ? { id, kind, title } : { id, kind: '', title: own };
  }
}

function itemName(scene: string, source: string): string | undefined {
  const { items = [] } = JSON.parse(scene) as { items?: Array<{ name?: string; source?: string }> };
  return items.find((item) => item.source === source && item.name !== undefined && item.name !== '')?.name;
}
