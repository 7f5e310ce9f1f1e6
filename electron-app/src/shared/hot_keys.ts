/** Keys that act on sound, as the app remembers them and shows them. Pure. */
import type { Command, HotKey } from './model';
import { fields, flag, oneOf, Refused, text } from './parse';
import { chordOfKeys, type SceneKey } from './scene_keys';

export const HOT_KEY_ACTIONS = ['push_to_talk', 'push_to_mute', 'mute'] as const;
export type HotKeyAction = (typeof HOT_KEY_ACTIONS)[number];

export interface KeyChord {
  /** `KeyboardEvent.code`, or `MouseMiddle`, `MouseBack`, `MouseForward`. */
  code: string;
  ctrl: boolean;
  alt: boolean;
  shift: boolean;
  meta: boolean;
}

export interface HotKeyPreference {
  action: HotKeyAction;
  /** An input's id. */
  input: string;
  chord: KeyChord;
  /** What it does, in the user's words: for a desktop that lists its keys. */
  label?: string;
}

/** As many as the engine takes. */
const MOST_KEYS = 64;
const MOST_LABEL = 200;
const CODE = /^[A-Z][A-Za-z0-9]{0,31}$/;

export function keyCode(value: unknown, path: string): string {
  const code = text(value, path, 32);
  if (!CODE.test(code)) throw new Refused(path, "a key's code");
  return code;
}

export function hotKeyPreferences(value: unknown, path: string): HotKeyPreference[] {
  if (!Array.isArray(value) || value.length > MOST_KEYS) throw new Refused(path, `a list of at most ${MOST_KEYS}`);
  const seen = new Set<string>();
  return value.map((one: unknown, index) => {
    const at = `${path}[${index}]`;
    const f = fields(one, at);
    const chord = fields(f.chord, `${at}.chord`);
    const held = (name: 'ctrl' | 'alt' | 'shift' | 'meta'): boolean => flag(chord[name], `${at}.chord.${name}`);
    const read: HotKeyPreference = {
      action: oneOf(f.action, `${at}.action`, HOT_KEY_ACTIONS),
      input: text(f.input, `${at}.input`, 64),
      chord: { code: keyCode(chord.code, `${at}.chord.code`), ctrl: held('ctrl'), alt: held('alt'), shift: held('shift'), meta: held('meta') },
    };
    if (f.label !== undefined) read.label = text(f.label, `${at}.label`, MOST_LABEL);
    if (seen.has(idOf(read))) throw new Refused(at, 'one key for each thing');
    seen.add(idOf(read));
    return read;
  });
}

function idOf({ action, input }: HotKeyPreference): string {
  return `${action}:${input}`;
}

/** The input that a key's event mutes or lets be heard again; none where it is another key's. */
export function mutedBy(id: string): string | undefined {
  return id.startsWith('mute:') ? id.slice('mute:'.length) : undefined;
}

const SCENE = 'scene:';

export function idOfScene(scene: string): string {
  return `${SCENE}${scene}`;
}

/** A scene's key for the engine, which tells when it is pressed; `label` is for a desktop that lists its keys. */
export function sceneHotKey({ scene, keys }: SceneKey, label: string): HotKey {
  return { id: idOfScene(scene), chord: chordOfKeys(keys), action: { kind: 'tell' }, label };
}

/** The scene that a key's event shows; none where it is another key's. */
export function sceneShownBy(id: string): string | undefined {
  return id.startsWith(SCENE) ? id.slice(SCENE.length) : undefined;
}

/** `more`: keys that are no sound's, which the engine is to watch as well. */
export function hotKeyCommand(keys: readonly HotKeyPreference[], more: readonly HotKey[] = []): Extract<Command, { type: 'set_hot_keys' }> {
  const engineKeys = keys.map((key): HotKey => {
    const { action, input, chord, label } = key;
    return { id: idOf(key), chord, label, action: action === 'mute' ? { kind: 'tell' } : { kind: action, input } };
  });
  return { type: 'set_hot_keys', keys: [...engineKeys, ...more].slice(0, MOST_KEYS) };
}

/** The list with another key for that, or without one. */
export function withKey(
  keys: readonly HotKeyPreference[],
  action: HotKeyAction,
  input: string,
  chord: KeyChord | undefined,
  label?: string,
): HotKeyPreference[] {
  const others = keys.filter((key) => key.action !== action || key.input !== input);
  if (chord === undefined) return others;
  return [...others, label === undefined ? { action, input, chord } : { action, input, chord, label: label.slice(0, MOST_LABEL) }];
}

const MODIFIERS: { readonly [code: string]: 'ctrl' | 'alt' | 'shift' | 'meta' } = {
  ControlLeft: 'ctrl',
  ControlRight: 'ctrl',
  AltLeft: 'alt',
  AltRight: 'alt',
  ShiftLeft: 'shift',
  ShiftRight: 'shift',
  MetaLeft: 'meta',
  MetaRight: 'meta',
};

export function isModifier(code: string): boolean {
  return MODIFIERS[code] !== undefined;
}

export const MOUSE_CODES: { readonly [button: number]: string } = { 1: 'MouseMiddle', 3: 'MouseBack', 4: 'MouseForward' };

/** What an event of the page means as a chord. A modifier that is a key by itself is not also held beside itself. */
export function chordOf(code: string, event: { ctrlKey: boolean; altKey: boolean; shiftKey: boolean; metaKey: boolean }): KeyChord {
  const own = MODIFIERS[code];
  return {
    code,
    ctrl: event.ctrlKey && own !== 'ctrl',
    alt: event.altKey && own !== 'alt',
    shift: event.shiftKey && own !== 'shift',
    meta: event.metaKey && own !== 'meta',
  };
}

export function sameChord(a: KeyChord, b: KeyChord): boolean {
  return a.code === b.code && a.ctrl === b.ctrl && a.alt === b.alt && a.shift === b.shift && a.meta === b.meta;
}

/** Words for keys whose code is no word. */
export interface KeyWords {
  space: string;
  numpad: string;
  left: string;
  right: string;
  mouseMiddle: string;
  mouseBack: string;
  mouseForward: string;
}

const SIGNS: { readonly [code: string]: string } = {
  Minus: '-', Equal: '=', BracketLeft: '[', BracketRight: ']', Semicolon: ';', Quote: "'", Backquote: '`', Backslash: '\\', Comma: ',', Period: '.', Slash: '/',
  ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→',
};

/** As printed on an English keyboard: the place of the key is what counts. */
export function chordText(chord: KeyChord, words: KeyWords): string {
  const { code } = chord;
  const held = [chord.ctrl && 'Ctrl', chord.alt && 'Alt', chord.shift && 'Shift', chord.meta && 'Meta'].filter((name): name is string => name !== false);
  return [...held, keyText(code, words)].join(' + ');
}

function keyText(code: string, words: KeyWords): string {
  if (code === 'Space') return words.space;
  if (code === 'MouseMiddle') return words.mouseMiddle;
  if (code === 'MouseBack') return words.mouseBack;
  if (code === 'MouseForward') return words.mouseForward;
  const sided = /^(Control|Alt|Shift|Meta)(Left|Right)$/.exec(code);
  if (sided !== null) return `${sided[2] === 'Left' ? words.left : words.right} ${sided[1] === 'Control' ? 'Ctrl' : sided[1]}`;
  if (code.startsWith('Numpad')) return `${words.numpad} ${code.slice('Numpad'.length)}`;
  return SIGNS[code] ?? code.replace(/^(Key|Digit)/, '');
}
