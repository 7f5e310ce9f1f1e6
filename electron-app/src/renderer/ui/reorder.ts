/**
 * A list whose rows are dragged into another order: by the mouse, or with Alt and an arrow key on a focused row.
 *
 * Pointer events, not the browser's drag and drop: that one shows a ghost of its own and ends outside of the window.
 */
import { useEffect, useRef } from 'preact/hooks';

/** What the mouse may move and still be a click. */
const SLACK = 5;

interface Dragged {
  row: HTMLElement;
  from: number;
  to: number;
  y: number;
  moving: boolean;
}

/** Give it to the list as its `ref`. `rows` selects the rows in it; `onMove` gets both places, 0 the first. */
export function useReorder(rows: string, onMove: (from: number, to: number) => void) {
  const list = useRef<HTMLDivElement>(null);
  const move = useRef(onMove);
  move.current = onMove;
  // Outlives a redrawing of the panel, which comes with each second's figures.
  const held = useRef<Dragged | undefined>(undefined);

  useEffect(() => {
    const element = list.current;
    if (element === null) return undefined;
    const all = (): HTMLElement[] => [...element.querySelectorAll<HTMLElement>(rows)];
    const rowOf = (target: EventTarget | null): HTMLElement | undefined =>
      target instanceof Element ? (target.closest<HTMLElement>(rows) ?? undefined) : undefined;

    const clear = (): void => {
      for (const row of all()) row.classList.remove('dragged', 'drop-before', 'drop-after');
    };
    const onDown = (event: PointerEvent): void => {
      const row = rowOf(event.target);
      if (event.button !== 0 || row === undefined) return;
      const from = all().indexOf(row);
      held.current = { row, from, to: from, y: event.clientY, moving: false };
    };
    const onPointer = (event: PointerEvent): void => {
      const dragged = held.current;
      if (dragged === undefined) return;
      if (!dragged.moving && Math.abs(event.clientY - dragged.y) < SLACK) return;
      dragged.moving = true;
      clear();
      const places = all();
      const middle = (row: HTMLElement): number => row.getBoundingClientRect().top + row.offsetHeight / 2;
      // The place it has once it is taken out of the list: as many as lie above the mouse.
      dragged.to = places.filter((row) => row !== dragged.row && middle(row) < event.clientY).length;
      dragged.row.classList.add('dragged');
      const neighbour = places[dragged.to];
      if (dragged.to !== dragged.from) neighbour?.classList.add(dragged.to > dragged.from ? 'drop-after' : 'drop-before');
    };
    const onUp = (): void => {
      const done = held.current;
      held.current = undefined;
      clear();
      if (done === undefined || !done.moving) return;
      // The button under the mouse must not take the end of the drag for a click.
      const swallow = (click: Event): void => {
        click.stopPropagation();
        click.preventDefault();
      };
      window.addEventListener('click', swallow, { capture: true, once: true });
      setTimeout(() => window.removeEventListener('click', swallow, true), 0);
      if (done.to !== done.from) move.current(done.from, done.to);
    };
    const onCancel = (): void => {
      held.current = undefined;
      clear();
    };
    const onKey = (event: KeyboardEvent): void => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      const row = rowOf(event.target);
      if (by === undefined || !event.altKey || row === undefined) return;
      event.preventDefault();
      const from = all().indexOf(row);
      const to = from + by;
      if (to >= 0 && to < all().length) move.current(from, to);
    };
    element.addEventListener('pointerdown', onDown);
    window.addEventListener('pointermove', onPointer);
    window.addEventListener('pointerup', onUp);
    window.addEventListener('pointercancel', onCancel);
    element.addEventListener('keydown', onKey);
    return () => {
      element.removeEventListener('pointerdown', onDown);
      window.removeEventListener('pointermove', onPointer);
      window.removeEventListener('pointerup', onUp);
      window.removeEventListener('pointercancel', onCancel);
      element.removeEventListener('keydown', onKey);
    };
  });
  return list;
}
