/** Sizes and lengths of recordings, as a person reads them. Pure. */
import { fill, type Dictionary } from '../../shared/i18n/index';

/** 1536000 → `1.5 MB`: as file managers show it. */
export function sizeText(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** How long the disk lasts; beyond some days nobody counts. */
export function roomText(seconds: number, words: Dictionary): string {
  const hours = Math.floor(seconds / 3600);
  if (hours >= 100) return words.recordRoomLong;
  if (hours >= 1) return fill(words.recordRoomHours, { hours });
  return fill(words.recordRoomMinutes, { minutes: Math.floor(seconds / 60) });
}
