/** Small pieces that several pages are made of. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M5 19c3.7 0 3.7-4 7.3-4s3.7 4 7.4 4 3.6-4 7.3-4" />
    </svg>
  );
}

/** A dialog over the page: Escape and a click beside it close it, the keyboard stays inside. */
export function Dialog({ title, onClose, children, wide = false }: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }) {
  const box = useRef<HTMLDialogElement>(null);
  // Before anybody can see it: a key that is pressed at once is the dialog's already.
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => (before instanceof HTMLElement ? before.focus() : undefined);
  }, []);
  return (
    <dialog
      ref={box}
      class={wide ? 'dialog wide' : 'dialog'}
      aria-label={title}
      data-testid="dialog"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClose={onClose}
      onMouseDown={(event) => (event.target === box.current ? onClose() : undefined)}
    >
      <div class="dialog-body">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

/** A name and its value, one of a row of figures. */
export function Figure({ name, value, note, hint }: { name: string; value: string; note?: string | undefined; hint?: string | undefined }) {
  return (
    <div title={hint}>
      <dt>{name}</dt>
      <dd>
        {value}
        {note ? <small>{note}</small> : null}
      </dd>
    </div>
  );
}

export function Choice<T extends string>({ name, value, of, onChange, testId }: { name: string; value: T; of: readonly (readonly [T, string])[]; onChange: (value: T) => void; testId: string }) {
  return (
    <label class="field">
      <span>{name}</span>
      <select value={value} data-testid={testId} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {of.map(([each, text]) => (
          <option key={each} value={each}>{text}</option>
        ))}
      </select>
    </label>
  );
}
