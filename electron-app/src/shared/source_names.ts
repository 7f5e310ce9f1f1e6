/** What a source is called in the user's language. Pure. */
import type { Dictionary } from './i18n/index';
import type { VideoSource } from './model';

export type NamedSource = Pick<VideoSource, 'id' | 'kind' | 'title'>;

/** Sources that have no title of their own are called by what they are; one that no list ever had, by its id. */
export function sourceTitle(words: Dictionary, source: NamedSource): string {
  switch (source.kind) {
    case 'game':
      return words.gameSource;
    case 'portal':
      return words.portalSource;
    case 'pattern':
      return words.patternBars;
    default:
      return source.title !== '' ? source.title : unlisted(words, source.id);
  }
}

function unlisted(words: Dictionary, id: string): string {
  if (id === 'x11:game') return words.gameSource;
  if (id.startsWith('wayland:')) return words.portalSource;
  if (id.startsWith('pattern:')) return words.patternBars;
  const found = /^x11:find:([^?]*)(?:\?title=(.*))?$/.exec(id);
  if (found !== null) return readable(found[2] ?? found[1] ?? id);
  // A path's last part, a text, a colour.
  const own = /^(image|text|color):([^?]*)/.exec(id);
  if (own === null) return id;
  const value = readable(own[2] ?? '');
  return own[1] === 'image' ? value.slice(value.lastIndexOf('/') + 1) : value;
}

function readable(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
