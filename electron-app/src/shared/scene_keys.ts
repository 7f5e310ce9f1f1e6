/**
 * Hot keys that show a scene whatever program has the keyboard: what may be one, and the list of them.
 *
 * A key is written as Electron's accelerators are: `CommandOrControl+Shift+1`, `F6`, `num4`.
 */
import type { KeyChord } from './hot_keys';
import { fields, Refused, text } from './parse';

export interface SceneKey {
  scene: string;
  keys: string;
}

/** A letter or a digit alone would be lost to every other program: it needs Ctrl, Alt or Super. */
const ALONE = /^(Shift\+)?(F([1-9]|1[0-9]|2[0-4])|num[0-9])$/;
const TOGETHER = /^(CommandOrControl\+)?(Alt\+)?(Super\+)?(Shift\+)?([A-Z0-9]|F([1-9]|1[0-9]|2[0-4])|num[0-9])$/;
const MODIFIED = /CommandOrControl|Alt|Super/;
/** As many as there can be scenes. */
const MOST = 64;

export function isHotKey(keys: string): boolean {
  return ALONE.test(keys) || (TOGETHER.test(keys) && MODIFIED.test(keys));
}

export function parseSceneKeys(value: unknown, path: string): SceneKey[] {
  if (!Array.isArray(value) || value.length > MOST) throw new Refused(path, `a list of at most ${MOST}`);
  return value.map((each: unknown, index) => {
    const f = fields(each, `${path}[${index}]`);
    return { scene: text(f.scene, `${path}[${index}].scene`, 256), keys: parseHotKey(f.keys, `${path}[${index}].keys`) };
  });
}

export function parseHotKey(value: unknown, path: string): string {
  const keys = text(value, path, 64);
  if (!isHotKey(keys)) throw new Refused(path, 'a hot key such as CommandOrControl+1');
  return keys;
}

/** The list with that scene's key set or taken away; a key shows one scene only. */
export function withKey(all: readonly SceneKey[], scene: string, keys: string | undefined): SceneKey[] {
  const others = all.filter((each) => each.scene !== scene && each.keys !== keys);
  return keys === undefined ? others : [...others, { scene, keys }];
}

export interface PressedKey {
  code: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

/** What was pressed as a hot key; nothing where it is none (yet). On a Mac Command is the user's Ctrl. */
export function pressedHotKey(event: PressedKey, mac: boolean): string | undefined {
  const { code } = event;
  const name = /^Key[A-Z]$/.test(code)
    ? code.slice(3)
    : /^Digit[0-9]$/.test(code)
      ? code.slice(5)
      : /^Numpad[0-9]$/.test(code)
        ? `num${code.slice(6)}`
        : code;
  const [main, other] = mac ? [event.metaKey, event.ctrlKey] : [event.ctrlKey, event.metaKey];
  const parts = [main && 'CommandOrControl', event.altKey && 'Alt', other && !mac && 'Super', event.shiftKey && 'Shift', name];
  const keys = parts.filter((part) => part !== false).join('+');
  return isHotKey(keys) ? keys : undefined;
}

/** The same as a chord of keys by their place; the other way round of {@link pressedHotKey}, where Ctrl is Ctrl. */
export function chordOfKeys(keys: string): KeyChord {
  const parts = keys.split('+');
  const name = parts[parts.length - 1] ?? '';
  const code = /^[A-Z]$/.test(name) ? `Key${name}` : /^[0-9]$/.test(name) ? `Digit${name}` : name.replace(/^num/, 'Numpad');
  const held = (modifier: string): boolean => parts.slice(0, -1).includes(modifier);
  return { code, ctrl: held('CommandOrControl'), alt: held('Alt'), shift: held('Shift'), meta: held('Super') };
}

/** As it is printed on a keyboard. */
export function hotKeyText(keys: string, mac: boolean): string {
  return keys.replace('CommandOrControl', mac ? '⌘' : 'Ctrl').replace('num', 'Num ');
}
