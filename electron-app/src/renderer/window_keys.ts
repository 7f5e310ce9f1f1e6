/** Hands the hot keys of this window to the engine, while it can see no others: pressed and released. */
import type { Bridge } from '../shared/contract';
import { isModifier, MOUSE_CODES } from '../shared/hot_keys';
import { chordOfKeys } from '../shared/scene_keys';
import type { Store } from './store';

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && !['checkbox', 'range', 'radio'].includes(target.type));
}

export function forwardKeys(bridge: Bridge, store: Store): void {
  const down = new Set<string>();
  const send = (code: string, pressed: boolean): void => {
    if (pressed) down.add(code);
    else if (!down.delete(code)) return;
    void bridge.pressKey({ code, down: pressed });
  };
  const press = (code: string | undefined, typed: boolean): boolean => {
    const { state, settings, dialog } = store.get();
    const chords = [...(settings.audio.hotKeys ?? []).map(({ chord }) => chord), ...[...(settings.sceneKeys ?? []), ...(settings.actKeys ?? [])].map(({ keys }) => chordOfKeys(keys))];
    const set = chords.filter((chord) => chord.code === code);
    // A letter that is typed into a field is text.
    const meant = set.some((chord) => !typed || chord.ctrl || chord.alt || chord.meta || /^F\d|^Mouse/.test(chord.code));
    if (code === undefined || state?.hotKeysProblem === undefined || (!meant && !isModifier(code))) return false;
    // While a key is being chosen it is not yet one.
    if (dialog === 'sound' && document.querySelector('.key-chooser.listening') !== null) return false;
    if (!down.has(code)) send(code, true);
    return meant;
  };
  document.addEventListener('keydown', (event) => {
    if (press(event.code, isTyping(event.target)) && !isTyping(event.target) && event.code === 'Space') event.preventDefault();
  });
  document.addEventListener('keyup', (event) => send(event.code, false));
  document.addEventListener('mousedown', (event) => void press(MOUSE_CODES[event.button], false));
  document.addEventListener('mouseup', (event) => {
    const code = MOUSE_CODES[event.button];
    if (code !== undefined) send(code, false);
  });
  // What is let go elsewhere is not told here.
  window.addEventListener('blur', () => [...down].forEach((code) => send(code, false)));
}
