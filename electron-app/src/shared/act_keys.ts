/** Hot keys that do what a button of the window does, whatever program has the keyboard. Written as scenes' keys are. */
import { chordOfKeys, parseHotKey } from './scene_keys';
import type { HotKey } from './model';
import { fields, oneOf, Refused } from './parse';

export const ACTS = ['go_live', 'end_live', 'record', 'save_replay', 'reconnect'] as const;
export type Act = (typeof ACTS)[number];

export interface ActKey {
  act: Act;
  keys: string;
}

export function parseActKeys(value: unknown, path: string): ActKey[] {
  if (!Array.isArray(value) || value.length > ACTS.length) throw new Refused(path, `a list of at most ${ACTS.length}`);
  return value.map((each: unknown, index) => {
    const f = fields(each, `${path}[${index}]`);
    return { act: oneOf(f.act, `${path}[${index}].act`, ACTS), keys: parseHotKey(f.keys, `${path}[${index}].keys`) };
  });
}

/** The list with that act's key set or taken away; a key does one thing only. */
export function withActKey(all: readonly ActKey[], act: Act, keys: string | undefined): ActKey[] {
  const others = all.filter((each) => each.act !== act && each.keys !== keys);
  return keys === undefined ? others : [...others, { act, keys }];
}

const ACT = 'act:';

export function idOfAct(act: Act): string {
  return `${ACT}${act}`;
}

/** The act that a key's event asks for; none where it is another key's. */
export function actOf(id: string): Act | undefined {
  return ACTS.find((act) => idOfAct(act) === id);
}

/** An act's key for the engine, which tells when it is pressed; `label` is for a desktop that lists its keys. */
export function actHotKey({ act, keys }: ActKey, label: string): HotKey {
  return { id: idOfAct(act), chord: chordOfKeys(keys), action: { kind: 'tell' }, label };
}
