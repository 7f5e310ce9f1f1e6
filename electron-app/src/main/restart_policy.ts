/** When a dead engine host is started again. Pure: the time is passed in. */

/** A host that dies younger than this waits before the next try: it would only die again at once. */
export const YOUNG_MS = 5_000;
/** More deaths than this in the window below, and the machine needs a person, not another try. */
export const MAX_DEATHS = 5;
export const WINDOW_MS = 60_000;

export type Verdict = { kind: 'restart'; afterMs: number; attempt: number } | { kind: 'give_up' };

/**
 * What to do after a death.
 *
 * @param deaths times of the earlier deaths and of this one (the last), ms
 * @param startedAt when the process that died was started, ms
 */
export function afterDeath(deaths: readonly number[], startedAt: number): Verdict {
  const now = deaths[deaths.length - 1] ?? startedAt;
  const recent = deaths.filter((at) => now - at < WINDOW_MS).length;
  if (recent > MAX_DEATHS) return { kind: 'give_up' };
  if (now - startedAt >= YOUNG_MS) return { kind: 'restart', afterMs: 0, attempt: recent };
  // 250, 500, 1000, 2000 ms: the first young death is still over within the three seconds that a restart may take.
  return { kind: 'restart', afterMs: Math.min(250 * 2 ** Math.max(0, recent - 1), 2_000), attempt: recent };
}
