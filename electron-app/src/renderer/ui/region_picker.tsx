/** A part of a screen, chosen by dragging on its small picture; the arrow keys move it, with Shift they resize it. */
import { useRef } from 'preact/hooks';
import type { VideoSource } from '../../shared/model';
import { partBetween, type Part } from '../../shared/source_ids';
import { useUi } from './context';

/** Pixels of the screen that one press of an arrow key moves by. */
const STEP = 10;

export function RegionPicker({ monitor, part, onPick }: { monitor: VideoSource; part: Part; onPick(part: Part): void }) {
  const { words } = useUi();
  const box = useRef<HTMLDivElement>(null);
  const from = useRef<{ x: number; y: number } | undefined>(undefined);

  /** Where on the screen the mouse is. */
  function place(event: MouseEvent): { x: number; y: number } | undefined {
    const area = box.current?.getBoundingClientRect();
    if (area === undefined || area.width === 0 || area.height === 0) return undefined;
    const along = (at: number, start: number, length: number, size: number): number =>
      Math.round((Math.min(Math.max(at - start, 0), length) / length) * size);
    return {
      x: along(event.clientX, area.left, area.width, monitor.width),
      y: along(event.clientY, area.top, area.height, monitor.height),
    };
  }

  function start(event: MouseEvent): void {
    if (event.button !== 0) return;
    from.current = place(event);
    const move = (moved: MouseEvent): void => {
      const [one, other] = [from.current, place(moved)];
      if (one !== undefined && other !== undefined) onPick(partBetween(one, other, monitor));
    };
    const end = (): void => {
      document.removeEventListener('mousemove', move);
      document.removeEventListener('mouseup', end);
    };
    document.addEventListener('mousemove', move);
    document.addEventListener('mouseup', end);
    event.preventDefault();
    box.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent): void {
    const steps: { [key: string]: [number, number] } = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const clamp = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), most);
    if (event.shiftKey) {
      const width = clamp(part.width + step[0], 16, monitor.width - part.x);
      const height = clamp(part.height + step[1], 16, monitor.height - part.y);
      onPick({ ...part, width, height });
    } else {
      const x = clamp(part.x + step[0], 0, monitor.width - part.width);
      const y = clamp(part.y + step[1], 0, monitor.height - part.height);
      onPick({ ...part, x, y });
    }
  }

  const percent = (value: number, of: number): string => `${(100 * value) / of}%`;
  return (
    <div
      class="region-picker"
      ref={box}
      tabIndex={0}
      role="application"
      aria-label={words.regionHint}
      data-testid="region-picker"
      style={{ paddingTop: percent(monitor.height, monitor.width) }}
      onMouseDown={start}
      onKeyDown={onKeyDown}
    >
      {monitor.thumbnailUrl !== '' && <img src={monitor.thumbnailUrl} alt="" draggable={false} />}
      <span
        class="region-frame"
        style={{
          left: percent(part.x, monitor.width),
          top: percent(part.y, monitor.height),
          width: percent(part.width, monitor.width),
          height: percent(part.height, monitor.height),
        }}
      />
    </div>
  );
}
