/** Levels on their way to the bars: a tiny bus, so that 30 readings a second never touch the component tree. */
import type { Level, Loudness, Metered } from './signaling_client/messages';

/** `undefined` of an input that is not open: its bar is empty at once, and no peak falls slowly. */
type Listener = (reading: { peakDb: number; rmsDb: number } | undefined) => void;

export class MeterBus {
  private listeners = new Map<Metered, Set<Listener>>();

  /** Of the mix, as it was told last. */
  loudness: Loudness | undefined;

  publish(levels: readonly Level[], loudness?: Loudness): void {
    this.loudness = loudness;
    for (const [input, listeners] of this.listeners) {
      // A message tells of every open input: one that is not in it was closed.
      const reading = levels.find((level) => level.input === input);
      for (const listener of listeners) listener(reading);
    }
  }

  /** Everything falls silent: the connection that brought the levels is gone. */
  silence(): void {
    for (const set of this.listeners.values()) for (const listener of set) listener(undefined);
  }

  listen(input: Metered, listener: Listener): () => void {
    const set = this.listeners.get(input) ?? new Set();
    set.add(listener);
    this.listeners.set(input, set);
    return () => {
      set.delete(listener);
    };
  }
}

/** −60 dBFS is the left end of a bar, 0 the right: what lies below is room noise. */
export const FLOOR_DB = -60;

/** The share of the bar that a level fills, 0 to 1. */
export function fillOf(db: number): number {
  return Math.max(0, Math.min(1, (db - FLOOR_DB) / -FLOOR_DB));
}
