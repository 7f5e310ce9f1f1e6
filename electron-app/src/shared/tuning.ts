/** What the user lets the engine change by itself: what is remembered, and how it is read. Pure. */
import type { Effort, Tuning } from './model';
import { fields, flag, oneOf } from './parse';

export const EFFORTS = ['least', 'room'] as const satisfies readonly Effort[];

/** The engine's own default (control_api's `Tuning`). */
export const DEFAULT_TUNING: Tuning = { adapt: true, adaptRecording: false, effort: 'least', intraRefresh: false, zeroCopy: false };

/** What each remembered value may be. */
export const tuningReaders = {
  adapt: flag,
  adaptRecording: flag,
  effort: (v: unknown, p: string): Effort => oneOf(v, p, EFFORTS),
  intraRefresh: flag,
  zeroCopy: flag,
};

export function tuning(value: unknown, path: string): Tuning {
  const f = fields(value, path);
  return {
    adapt: flag(f.adapt, `${path}.adapt`),
    adaptRecording: flag(f.adaptRecording, `${path}.adaptRecording`),
    effort: tuningReaders.effort(f.effort, `${path}.effort`),
    intraRefresh: flag(f.intraRefresh, `${path}.intraRefresh`),
    // Settings of a version before it lack it.
    zeroCopy: f.zeroCopy === undefined ? DEFAULT_TUNING.zeroCopy : flag(f.zeroCopy, `${path}.zeroCopy`),
  };
}
