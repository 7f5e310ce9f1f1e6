/** The small controls that the panels are made of. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon, type IconName } from './icons';

export function IconButton(props: {
  icon: IconName;
  label: string;
  onClick(): void;
  testid?: string;
  pressed?: boolean;
  disabled?: boolean;
  tone?: 'danger';
}) {
  return (
    <button
      type="button"
      class={`icon-button${props.tone === undefined ? '' : ` ${props.tone}`}`}
      title={props.label}
      aria-label={props.label}
      aria-pressed={props.pressed}
      disabled={props.disabled}
      data-testid={props.testid}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}

export function Panel(props: { title: string; aside?: ComponentChildren; children: ComponentChildren; class?: string }) {
  return (
    <section class={`panel ${props.class ?? ''}`} aria-label={props.title}>
      <header class="panel-head">
        <h2>{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

export function Field(props: { label: string; children: ComponentChildren; wide?: boolean }) {
  return (
    <label class={`field${props.wide === true ? ' wide' : ''}`}>
      <span class="field-label">{props.label}</span>
      {props.children}
    </label>
  );
}

export function Select(props: {
  value: string;
  options: ReadonlyArray<{ value: string; label: string }>;
  onChange(value: string): void;
  testid?: string;
  label?: string;
  disabled?: boolean;
}) {
  return (
    <span class="select">
      <select
        value={props.value}
        aria-label={props.label}
        disabled={props.disabled}
        data-testid={props.testid}
        onChange={(event) => props.onChange(event.currentTarget.value)}
      >
        {props.options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      <Icon name="chevron" size={16} />
    </span>
  );
}

/** How long a half-typed number may rest before it is taken: long enough to type the next digit. */
const TYPING_PAUSE_MS = 600;

/** A number that acts when it is complete: at Enter, when it loses the focus, or after a pause in typing. */
export function NumberField(props: {
  value: number;
  min: number;
  max: number;
  step: number;
  unit?: string;
  even?: boolean;
  label?: string;
  testid?: string;
  onCommit(value: number): void;
}) {
  const [draft, setDraft] = useState<string | undefined>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const shown = draft ?? String(props.value);
  const parsed = Number(shown);
  const valid =
    shown.trim() !== '' && Number.isFinite(parsed) && parsed >= props.min && parsed <= props.max && (props.even !== true || parsed % 2 === 0);

  useEffect(() => () => clearTimeout(timer.current), []);

  function commit(text: string, final: boolean): void {
    clearTimeout(timer.current);
    const value = Number(text);
    const fits = text.trim() !== '' && Number.isFinite(value) && value >= props.min && value <= props.max;
    const rounded = props.even === true ? Math.round(value / 2) * 2 : props.step >= 1 ? Math.round(value) : value;
    if (fits && rounded !== props.value) props.onCommit(rounded);
    if (final) setDraft(undefined);
  }

  return (
    <span class={`number${valid ? '' : ' invalid'}`}>
      <input
        type="number"
        value={shown}
        min={props.min}
        max={props.max}
        step={props.step}
        aria-label={props.label}
        aria-invalid={!valid}
        data-testid={props.testid}
        onInput={(event) => {
          const text = event.currentTarget.value;
          setDraft(text);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => commit(text, false), TYPING_PAUSE_MS);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.ctrlKey && !event.metaKey) commit(event.currentTarget.value, true);
          if (event.key === 'Escape') setDraft(undefined);
        }}
        onBlur={(event) => commit(event.currentTarget.value, true)}
      />
      {props.unit !== undefined && <span class="unit">{props.unit}</span>}
    </span>
  );
}

export function Switch(props: { checked: boolean; label: string; onChange(checked: boolean): void; testid?: string; disabled?: boolean }) {
  return (
    <label class="switch" title={props.label}>
      <input
        type="checkbox"
        role="switch"
        checked={props.checked}
        disabled={props.disabled}
        aria-label={props.label}
        data-testid={props.testid}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <span class="track" aria-hidden="true" />
    </label>
  );
}

/** Two or three choices side by side. */
export function Segmented<T extends string>(props: {
  value: T;
  options: ReadonlyArray<{ value: T; label: string; testid?: string }>;
  label: string;
  onChange(value: T): void;
}) {
  return (
    <div class="segmented" role="radiogroup" aria-label={props.label}>
      {props.options.map((option) => (
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === props.value}
          data-testid={option.testid}
          onClick={() => props.onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
