/** A fader in dB: its left end is silence, its right end +12 dB; a double click brings it to 0 dB. */
import { useRef, useState } from 'preact/hooks';
import { useUi } from './context';

/** Below is silence. */
export const LEAST_DB = -60;
export const MOST_DB = 12;
/** A hand moves the fader sixty times a second; each step is sent and remembered. */
const STEP_MS = 50;
/** What stands for silence in the engine. */
const SILENT_DB = -120;

export function dbOf(linear: number): number {
  return linear <= 0 ? SILENT_DB : Math.max(20 * Math.log10(linear), SILENT_DB);
}

export function linearOf(db: number): number {
  // 12 dB are a hair less than four times, which is the most that is taken.
  return db <= LEAST_DB ? 0 : Math.min(10 ** (db / 20), 4);
}

export function sayDb(db: number): string {
  if (db <= LEAST_DB) return '−∞ dB';
  const rounded = Math.round(db * 10) / 10;
  return `${rounded > 0 ? '+' : rounded < 0 ? '−' : ''}${Math.abs(rounded).toFixed(1)} dB`;
}

/** While it is dragged it shows the hand, not what main echoes of a moment ago. */
export function Fader(props: { db: number; title: string; testid: string; onDb(db: number): void }) {
  const { words } = useUi();
  const [held, setHeld] = useState<number | undefined>(undefined);
  const sent = useRef(0);
  const db = held ?? Math.min(Math.max(props.db, LEAST_DB), MOST_DB);
  const tell = (value: number): void => props.onDb(value <= LEAST_DB ? SILENT_DB : value);
  return (
    <span class="fader">
      <input
        type="range"
        min={LEAST_DB}
        max={MOST_DB}
        step={0.5}
        value={db}
        aria-label={`${words.volume}: ${props.title}`}
        aria-valuetext={sayDb(db)}
        title={`${words.volume}: ${sayDb(db)}`}
        data-testid={props.testid}
        style={{ '--fill': `${((db - LEAST_DB) / (MOST_DB - LEAST_DB)) * 100}%` }}
        onInput={(event) => {
          const value = Number(event.currentTarget.value);
          setHeld(value);
          const now = performance.now();
          if (now - sent.current < STEP_MS) return;
          sent.current = now;
          tell(value);
        }}
        onChange={(event) => {
          tell(Number(event.currentTarget.value));
          setHeld(undefined);
        }}
        onDblClick={() => {
          setHeld(undefined);
          tell(0);
        }}
      />
      <output class="fader-db">{sayDb(db)}</output>
    </span>
  );
}
