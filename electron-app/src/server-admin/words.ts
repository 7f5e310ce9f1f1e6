// The admin pages' words, in the language that was chosen.

import { en, type Word } from './words_en';
import { zh } from './words_zh';

export type { Word };

const all = { en, zh };
export type Language = keyof typeof all;

/** A word, with its places filled in. */
export type Say = (word: Word, fill?: Record<string, string | number>) => string;

export function speaker(language: Language): Say {
  return (word, fill) => all[language][word].replace(/\{(\w+)\}/g, (_, name: string) => String(fill?.[name] ?? ''));
}

export const isWord = (text: string): text is Word => Object.prototype.hasOwnProperty.call(en, text);

/** What was chosen, else what the browser speaks. Shared with the viewer's page. */
export function firstLanguage(): Language {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem('tidecast.language');
  } catch {
    // private windows
  }
  if (kept === 'en' || kept === 'zh') return kept;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export function keepLanguage(language: Language): void {
  try {
    localStorage.setItem('tidecast.language', language);
  } catch {
    // then for this page only
  }
}
