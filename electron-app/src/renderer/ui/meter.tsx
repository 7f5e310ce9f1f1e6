/** One input's level as a bar: RMS, the peak on top of it, and a mark that stays after a clip. */
import { useEffect, useRef } from 'preact/hooks';
import { FLOOR_DB, fillOf } from '../meters';
import type { Metered } from '../signaling_client/messages';
import { useUi } from './context';

/** While our window lies in the captured picture each move of a bar is a change of the desktop: then twice a second. */
const RESTING_MS = 500;
/** A peak mark falls by this much with each reading (30 a second): 20 dB/s, as programme meters do. */
const PEAK_FALL = 1 / 90;
/** A clip stays to be seen for so long. */
const CLIP_HOLD_MS = 2000;

export function Meter({ input, label, dimmed }: { input: Metered; label: string; dimmed: boolean }) {
  const { meters, state } = useUi();
  const cover = useRef<HTMLSpanElement>(null);
  const mark = useRef<HTMLSpanElement>(null);
  const bar = useRef<HTMLSpanElement>(null);
  const resting = state.mirrored;

  useEffect(() => {
    let held = 0;
    let drawnAt = 0;
    let drawnFill = -1;
    let drawnHeld = -1;
    let clippedAt = -Infinity;
    let clipShown = false;
    return meters.listen(input, (reading) => {
      const { peakDb, rmsDb } = reading ?? { peakDb: FLOOR_DB, rmsDb: FLOOR_DB };
      const now = performance.now();
      const peak = fillOf(peakDb);
      // A sample at full scale: the limiter works, or the device itself clips.
      if (peakDb >= -0.1) clippedAt = now;
      held = reading === undefined ? 0 : Math.max(peak, held - PEAK_FALL, 0);
      if (resting && reading !== undefined && now - drawnAt < RESTING_MS) return;
      drawnAt = now;
      // Halves of a percent: less can't be seen, and a bar that does not move costs nothing.
      const fill = Math.round(fillOf(rmsDb) * 200) / 200;
      const top = Math.round(held * 200) / 200;
      if (fill !== drawnFill && cover.current !== null) cover.current.style.transform = `scaleX(${1 - fill})`;
      if (top !== drawnHeld && mark.current !== null) {
        mark.current.style.transform = `translateX(${top * 100}%)`;
        mark.current.style.opacity = top > 0 ? '1' : '0';
      }
      const clipped = now - clippedAt < CLIP_HOLD_MS;
      if (clipped !== clipShown) bar.current?.classList.toggle('clipped', clipped);
      clipShown = clipped;
      drawnFill = fill;
      drawnHeld = top;
    });
  }, [meters, input, resting]);

  return (
    <span class={`meter${dimmed ? ' dimmed' : ''}`} role="img" aria-label={label} data-testid={`meter-${input}`} ref={bar}>
      <span class="meter-cover" ref={cover} />
      <span class="meter-mark" ref={mark} />
    </span>
  );
}
