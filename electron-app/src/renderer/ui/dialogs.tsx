/** What asks for the whole attention: quitting while live, and the about box. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useUi } from './context';
import { IconButton } from './controls';

function Dialog(props: { title: string; onClose(): void; testid: string; children: ComponentChildren }) {
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
    const stops = [...box.current.querySelectorAll<HTMLElement>('button, a, input, select')];
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

function QuitDialog() {
  const { actions, words } = useUi();
  return (
    <Dialog title={words.quitTitle} testid="quit-dialog" onClose={() => void actions.answerQuit(false)}>
      <h2>{words.quitTitle}</h2>
      <p>{words.quitText}</p>
      <div class="dialog-actions">
        <button type="button" class="button danger-outline" data-testid="quit-confirm" onClick={() => void actions.answerQuit(true)}>
          {words.quitYes}
        </button>
        <button type="button" class="button primary" data-autofocus data-testid="quit-cancel" onClick={() => void actions.answerQuit(false)}>
          {words.quitNo}
        </button>
      </div>
    </Dialog>
  );
}

const SHORTCUTS = [
  ['Ctrl+Enter', 'shortcutStart'],
  ['Ctrl+L', 'shortcutLive'],
  ['M', 'shortcutMicrophone'],
  ['Shift+M', 'shortcutSystem'],
  ['I', 'shortcutFigures'],
] as const;

function AboutDialog() {
  const { state, store, words } = useUi();
  const { versions } = state.boot;
  const close = (): void => store.set({ dialog: undefined });
  return (
    <Dialog title={words.about} testid="about-dialog" onClose={close}>
      <header class="about-head">
        <img src="icon.svg" alt="" width={44} height={44} />
        <div>
          <h2>Tidecast {versions.app}</h2>
          <p class="quiet">
            Electron {versions.electron} · Chromium {versions.chromium} · {versions.platform}
          </p>
        </div>
        <IconButton icon="close" label={words.close} onClick={close} />
      </header>
      <p>{words.aboutText}</p>
      {state.boot.oldRuntime && <p class="notice">{words.oldRuntime}</p>}
      <h3>{words.aboutLicences}</h3>
      <p>{words.aboutMit}</p>
      <p>{words.aboutGpl}</p>
      <p class="quiet">{words.aboutThird}</p>
      <h3>{words.shortcuts}</h3>
      <dl class="shortcuts">
        {SHORTCUTS.map(([keys, label]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{words[label]}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

export function Dialogs() {
  const { state } = useUi();
  if (state.askQuit) return <QuitDialog />;
  if (state.dialog === 'about') return <AboutDialog />;
  return null;
}
