/** The whole window. */
import { useEffect, useState } from 'preact/hooks';
import { actOf, type Act } from '../../shared/act_keys';
import type { Bridge } from '../../shared/contract';
import { chordOf, sameChord, sceneShownBy } from '../../shared/hot_keys';
import { dictionaryOf } from '../../shared/i18n/index';
import { isCapturing, isPublishing, type Actions } from '../actions';
import { perform } from '../acts';
import type { MeterBus } from '../meters';
import type { SceneDesk } from '../scene_desk';
import { useStore, type PageState, type Store } from '../store';
import { ActionBar } from './action_bar';
import { CanvasPanel } from './canvas_panel';
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
function onKey(event: KeyboardEvent, state: PageState, store: Store, actions: Actions, desk: SceneDesk, act: (act: Act) => void): void {
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
    act(isPublishing(state) ? 'end_live' : 'go_live');
  } else if (command && event.shiftKey && event.key.toLowerCase() === 'r') {
    // In any case: elsewhere these keys load the page anew.
    event.preventDefault();
    act('record');
  } else if (command && event.shiftKey && event.key.toLowerCase() === 's') {
    event.preventDefault();
    act('save_replay');
  } else if (!command && !event.altKey && !isTyping(event.target)) {
    const { audio } = state.settings;
    // A key that the user gave another meaning has that one alone.
    if ((audio.hotKeys ?? []).some(({ chord }) => sameChord(chord, chordOf(event.code, event)))) return;
    if (event.key === 'm') void actions.changeAudio({ microphoneMuted: !audio.microphoneMuted });
    else if (event.key === 'M') void actions.changeAudio({ systemMuted: !audio.systemMuted });
    else if (event.key === 'i') store.set({ figures: !state.figures });
  }
}

/** A hot key was pressed, in whatever program: that one can't see why nothing happens, so it is said here. */
function followHotKey(id: string, store: Store, desk: SceneDesk, act: (act: Act) => boolean): void {
  const scene = sceneShownBy(id);
  if (scene !== undefined) return desk.jumpTo(scene);
  const wanted = actOf(id);
  if (wanted === undefined || act(wanted)) return;
  const words = dictionaryOf(store.get().language);
  store.toast({ tone: 'warning', title: words[`act_${wanted}`], detail: words.actNotNow });
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

interface AppParts {
  store: Store;
  actions: Actions;
  meters: MeterBus;
  desk: SceneDesk;
  onHotKey: Bridge['onHotKey'];
}

export function App({ store, actions, meters, desk, onHotKey }: AppParts) {
  const state = useStore(store);
  const [draft, setDraft] = useState<WhipDraft>({ url: state.settings.whipUrl, key: '', keep: false });
  useKeyboardFocus();

  useEffect(() => {
    const act = (wanted: Act): boolean => perform(wanted, store, actions, draft);
    const listener = (event: KeyboardEvent): void => onKey(event, store.get(), store, actions, desk, act);
    const end = onHotKey((id) => followHotKey(id, store, desk, act));
    document.addEventListener('keydown', listener);
    return () => {
      end();
      document.removeEventListener('keydown', listener);
    };
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
            <CanvasPanel />
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
