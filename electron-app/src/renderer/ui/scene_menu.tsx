/** A menu at the mouse, worked by mouse or keyboard. */
import { useEffect, useRef } from 'preact/hooks';

export interface Menu {
  x: number;
  y: number;
  acts: ReadonlyArray<{ label: string; testid: string; act(): void }>;
}

/** The widest menu, and one line of it: it stays inside the window. */
const WIDTH = 190;
const LINE = 34;

/** A menu where the mouse is; the keyboard's menu key has the element under it. */
export function menuAt(event: MouseEvent, acts: Menu['acts']): Menu {
  const box = event.currentTarget instanceof HTMLElement ? event.currentTarget.getBoundingClientRect() : undefined;
  const byKey = event.clientX === 0 && event.clientY === 0 && box !== undefined;
  const x = byKey ? box.left + 16 : event.clientX;
  const y = byKey ? box.bottom : event.clientY;
  const height = acts.length * LINE + 10;
  return { x: Math.min(x, window.innerWidth - WIDTH), y: Math.max(0, Math.min(y, window.innerHeight - height)), acts };
}

export function ContextMenu({ menu, onClose }: { menu: Menu; onClose(): void }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    list.current?.querySelector('button')?.focus();
    const close = (event: Event): void => {
      if (event instanceof KeyboardEvent && event.key !== 'Escape' && event.key !== 'Tab') return;
      if (event instanceof MouseEvent && event.target instanceof Node && list.current?.contains(event.target) === true) return;
      if (event instanceof KeyboardEvent && before instanceof HTMLElement) before.focus();
      onClose();
    };
    document.addEventListener('mousedown', close);
    document.addEventListener('keydown', close);
    return () => {
      document.removeEventListener('mousedown', close);
      document.removeEventListener('keydown', close);
    };
  }, []);

  function walk(event: KeyboardEvent): void {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const lines = [...(list.current?.querySelectorAll('button') ?? [])];
    const now = lines.findIndex((line) => line === document.activeElement);
    lines[(now + by + lines.length) % lines.length]?.focus();
  }

  return (
    <div class="scene-menu" role="menu" ref={list} style={{ left: `${menu.x}px`, top: `${menu.y}px` }} data-testid="scene-menu" onKeyDown={walk}>
      {menu.acts.map(({ label, testid, act }) => (
        <button
          key={testid}
          type="button"
          role="menuitem"
          data-testid={testid}
          onClick={() => {
            onClose();
            act();
          }}
        >
          {label}
        </button>
      ))}
    </div>
  );
}
