/** The whole window. */
import { useEffect, useState } from 'preact/hooks';
import { isCapturing, isPublishing, type Actions } from '../actions';
import { chordOf, sameChord } from '../../shared/hot_keys';
import type { MeterBus } from '../meters';
import type { SceneDesk } from '../scene_desk';
import { useStore, type PageState, type Store } from '../store';
import { ActionBar, canGoLive } from './action_bar';
import { makeUi, UiContext } from './context';
import { DestinationPanel, type WhipDraft } from './destination_panel';
import { Dialogs } from './dialogs';
import { FiguresPanel, StatusBar } from './figures';
import { Mixer } from './mixer';
import { PicturePanel } from './picture_panel';
import { Preview } from './preview';
import { DeskContext } from './scene_context';
import { RecordBar } from './record_bar';
import { RecordPanel } from './record_panel';
import { ScenePanel } from './scene_panel';
import { SourceList } from './source_list';
import { Toasts } from './toasts';
import { TopBar } from './top_bar';

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.tagName === 'SELECT' || (target instanceof HTMLInputElement && target.type !== 'checkbox' && target.type !== 'range'));
}

/** The keys that act anywhere in the window. */
function onKey(event: KeyboardEvent, state: PageState, store: Store, actions: Actions, desk: SceneDesk, draft: WhipDraft): void {
  if (state.askQuit || state.dialog !== undefined) return;
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === 'z' && !isTyping(event.target)) {
    event.preventDefault();
    if (event.shiftKey) desk.redo();
    else desk.undo();
    return;
  }
  if (event.repeat) return;
  const ready = state.host.kind === 'running' && state.busy === undefined;
  if (command && event.key === 'Enter' && ready) {
    event.preventDefault();
    void (isCapturing(state) ? actions.stop() : actions.start());
  } else if (command && event.key.toLowerCase() === 'l' && ready) {
    event.preventDefault();
    if (isPublishing(state)) void actions.endLive();
    else if (canGoLive(state, draft)) void actions.goLive(draft);
  } else if (command && event.shiftKey && event.key.toLowerCase() === 'r') {
    // In any case: elsewhere these keys load the page anew.
    event.preventDefault();
    if (state.host.kind === 'running' && isCapturing(state)) void actions.toggleRecording();
  } else if (command && event.shiftKey && event.key.toLowerCase() === 's') {
    event.preventDefault();
    if (state.host.kind === 'running' && state.state?.replay === true) void actions.saveReplay();
  } else if (!command && !event.altKey && !isTyping(event.target)) {
    const { audio } = state.settings;
    // A key that the user gave another meaning has that one alone.
    if ((audio.hotKeys ?? []).some(({ chord }) => sameChord(chord, chordOf(event.code, event)))) return;
    if (event.key === 'm') void actions.changeAudio({ microphoneMuted: !audio.microphoneMuted });
    else if (event.key === 'M') void actions.changeAudio({ systemMuted: !audio.systemMuted });
    else if (event.key === 'i') store.set({ figures: !state.figures });
  }
}

/** `:focus-visible` is missing in the oldest runtime: a class tells whether the keyboard was used last. */
function useKeyboardFocus(): void {
  useEffect(() => {
    const root = document.documentElement;
    const keys = (event: KeyboardEvent): void => {
      if (event.key === 'Tab' || event.key.startsWith('Arrow')) root.classList.add('keyboard');
    };
    const mouse = (): void => root.classList.remove('keyboard');
    document.addEventListener('keydown', keys, true);
    document.addEventListener('mousedown', mouse, true);
    return () => {
      document.removeEventListener('keydown', keys, true);
      document.removeEventListener('mousedown', mouse, true);
    };
  }, []);
}

export function App({ store, actions, meters, desk }: { store: Store; actions: Actions; meters: MeterBus; desk: SceneDesk }) {
  const state = useStore(store);
  const [draft, setDraft] = useState<WhipDraft>({ url: state.settings.whipUrl, key: '', keep: false });
  useKeyboardFocus();

  useEffect(() => {
    const listener = (event: KeyboardEvent): void => onKey(event, store.get(), store, actions, desk, draft);
    document.addEventListener('keydown', listener);
    return () => document.removeEventListener('keydown', listener);
  }, [draft]);

  const { theme } = state.settings;
  useEffect(() => {
    const root = document.documentElement;
    root.lang = state.language === 'zh' ? 'zh-CN' : 'en';
    if (theme === 'system') root.removeAttribute('data-theme');
    else root.setAttribute('data-theme', theme);
    // Our window lies in the picture: nothing in it may move that need not.
    root.classList.toggle('resting', state.mirrored);
  }, [state.language, theme, state.mirrored]);

  return (
    <UiContext.Provider value={makeUi(state, store, actions, meters)}>
      <DeskContext.Provider value={desk}>
      <div class="app">
        <TopBar />
        <SourceList />
        <main class="middle">
          <Preview />
          <Mixer />
          <FiguresPanel />
          <Toasts />
        </main>
        <aside class="settings">
          <div class="settings-scroll">
            <ScenePanel />
            <PicturePanel />
            <DestinationPanel draft={draft} onDraft={setDraft} />
            <RecordPanel />
          </div>
          <RecordBar />
          <ActionBar draft={draft} />
        </aside>
        <StatusBar />
      </div>
      <Dialogs />
      </DeskContext.Provider>
    </UiContext.Provider>
  );
}
