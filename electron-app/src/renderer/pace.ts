/** How often figures and the timer may change what the window shows. Pure. */
import type { Stats } from '../shared/model';

/**
 * While our window lies in the captured picture each change of it is one more picture to encode, for us and for every
 * viewer. Ten seconds leave a still desktop still.
 */
export const RESTING_MS = 10_000;

/**
 * Whether new figures are to be shown now.
 *
 * @param shown what is shown, and since when (ms)
 */
export function mayShow(shown: { stats?: Stats; at: number }, next: Stats, now: number, resting: boolean): boolean {
  return !resting || now - shown.at >= RESTING_MS || shown.stats?.viewers !== next.viewers;
}
