/** The last minute of one figure, as a line. */
import { useRef } from 'preact/hooks';

const MOST = 60;
const WIDTH = 84;
const HEIGHT = 20;

export function sparkPath(values: readonly number[], width: number, height: number): string {
  const top = Math.max(1, ...values);
  const step = width / (MOST - 1);
  const left = width - step * (values.length - 1);
  return values.map((value, at) => `${at === 0 ? 'M' : 'L'}${(left + at * step).toFixed(1)} ${(height - (value / top) * (height - 2) - 1).toFixed(1)}`).join('');
}

/** `at` changes with each new reading: drawing the same one twice adds nothing. */
export function Sparkline({ id, value, at, label }: { id: string; value: number; at: unknown; label: string }) {
  const history = useRef<{ values: number[]; at: unknown }>({ values: [], at: undefined });
  if (history.current.at !== at) history.current = { values: [...history.current.values, value].slice(-MOST), at };
  return (
    <svg class="sparkline" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label} data-testid={`sparkline-${id}`}>
      <path d={sparkPath(history.current.values, WIDTH, HEIGHT)} />
    </svg>
  );
}
