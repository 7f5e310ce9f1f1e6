/**
 * A row that is dragged to another place of the window.
 *
 * Pointer events, as in `reorder.ts`, for the same reasons.
 */
import { useEffect, useRef } from 'preact/hooks';

/** What the mouse may move and still be a click. */
const SLACK = 5;

/** Give it to the list as its `ref`. `rows` selects the rows in it, `places` where they may be dropped. */
export function useDragOut(rows: string, places: string, onDrop: (row: HTMLElement) => void) {
  const list = useRef<HTMLDivElement>(null);
  const drop = useRef(onDrop);
  drop.current = onDrop;
  const held = useRef<{ row: HTMLElement; x: number; y: number; moving: boolean } | undefined>(undefined);

  useEffect(() => {
    const element = list.current;
    if (element === null) return undefined;
    const placeAt = (event: PointerEvent): Element | undefined => document.elementFromPoint(event.clientX, event.clientY)?.closest(places) ?? undefined;
    const mark = (place: Element | undefined): void => {
      for (const each of document.querySelectorAll(places)) each.classList.toggle('drop-here', each === place);
    };
    const rest = (): void => {
      held.current?.row.classList.remove('dragged');
      held.current = undefined;
      document.documentElement.classList.remove('dragging');
      mark(undefined);
    };
    const onDown = (event: PointerEvent): void => {
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>(rows) : null;
      if (event.button === 0 && row !== null) held.current = { row, x: event.clientX, y: event.clientY, moving: false };
    };
    const onPointer = (event: PointerEvent): void => {
      const dragged = held.current;
      if (dragged === undefined) return;
      if (!dragged.moving && Math.hypot(event.clientX - dragged.x, event.clientY - dragged.y) < SLACK) return;
      dragged.moving = true;
      dragged.row.classList.add('dragged');
      document.documentElement.classList.add('dragging');
      mark(placeAt(event));
    };
    const onUp = (event: PointerEvent): void => {
      const dragged = held.current;
      const place = placeAt(event);
      rest();
      if (dragged === undefined || !dragged.moving) return;
      // What is under the mouse must not take the end of the drag for a click.
      const swallow = (click: Event): void => {
        click.stopPropagation();
        click.preventDefault();
      };
      window.addEventListener('click', swallow, { capture: true, once: true });
      setTimeout(() => window.removeEventListener('click', swallow, true), 0);
      if (place !== undefined) drop.current(dragged.row);
    };
    element.addEventListener('pointerdown', onDown);
    window.addEventListener('pointermove', onPointer);
    window.addEventListener('pointerup', onUp);
    window.addEventListener('pointercancel', rest);
    return () => {
      element.removeEventListener('pointerdown', onDown);
      window.removeEventListener('pointermove', onPointer);
      window.removeEventListener('pointerup', onUp);
      window.removeEventListener('pointercancel', rest);
    };
  }, [rows, places]);
  return list;
}
