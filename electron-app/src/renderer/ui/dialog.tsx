/** The frame of everything that asks for the whole attention: keeps the focus inside, closes on Escape. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

export function Dialog(props: { title: string; onClose(): void; testid: string; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const first = box.current?.querySelector<HTMLElement>('[data-autofocus]') ?? box.current;
    first?.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === 'Escape') props.onClose();
    if (event.key !== 'Tab' || box.current === null) return;
    // The focus stays inside while the rest of the window is out of reach.
    const stops = [...box.current.querySelectorAll<HTMLElement>('button, a, input, select, textarea')];
    const first = stops[0];
    const last = stops[stops.length - 1];
    if (event.shiftKey && document.activeElement === first) {
      last?.focus();
      event.preventDefault();
    } else if (!event.shiftKey && document.activeElement === last) {
      first?.focus();
      event.preventDefault();
    }
  }

  return (
    <div class="veil" onMouseDown={(event) => event.target === event.currentTarget && props.onClose()}>
      <div
        class="dialog"
        role="dialog"
        aria-modal="true"
        aria-label={props.title}
        tabIndex={-1}
        ref={box}
        data-testid={props.testid}
        onKeyDown={onKeyDown}
      >
        {props.children}
      </div>
    </div>
  );
}
