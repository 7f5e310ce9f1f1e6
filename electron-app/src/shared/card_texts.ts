/** What the engine's cards say in place of a source without a picture, in the window's language. Pure. */
import { dictionaryOf, sayCode } from './i18n/index';
import type { Language } from './settings';

/** The reasons for which a source that runs gives no picture (`capture/src/video/error.rs`). */
const CODES = [
  'display_silent',
  'display_lost',
  'display_refused',
  'source_not_found',
  'source_closed',
  'source_minimised',
  'region_outside',
  'window_not_open',
  'no_full_screen',
  'exclusive_full_screen',
  'bad_source',
  'picture_missing',
  'picture_unreadable',
  'picture_too_large',
  'permission_denied',
  'camera_busy',
  'camera_unplugged',
  'camera_silent',
  'camera_format',
  'camera_refused',
  'protected_content',
  'screen_permission_missing',
  'graphics_device',
  'portal_missing',
  'portal_refused',
  'portal_asking',
  'sharing_failed',
  'sharing_ended',
  'sharing_paused',
  'pipewire_missing',
] as const;

export interface CardText {
  code: string;
  text: string;
}

/** None in English: the engine's own sentences name the case more exactly. */
export function cardTexts(language: Language): CardText[] {
  if (language === 'en') return [];
  const words = dictionaryOf(language);
  return CODES.map((code) => ({ code, text: sayCode(words, code).message }));
}
