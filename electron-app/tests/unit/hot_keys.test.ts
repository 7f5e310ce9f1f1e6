import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chordOf, chordText, hotKeyCommand, hotKeyPreferences, mutedBy, sameChord, withKey, type KeyWords } from '../../src/shared/hot_keys';
import { emptySession, remember, replay } from '../../src/shared/session';

const words: KeyWords = { space: 'Space', numpad: 'Num', left: 'Left', right: 'Right', mouseMiddle: 'Middle', mouseBack: 'Back', mouseForward: 'Forward' };
const none = { ctrlKey: false, altKey: false, shiftKey: false, metaKey: false };
const F8 = chordOf('F8', none);

test('a key is saved, read back, and sent as what it does', () => {
  const keys = withKey(withKey([], 'push_to_talk', 'microphone', F8), 'mute', 'system_sound', chordOf('KeyM', { ...none, ctrlKey: true }));
  assert.deepEqual(hotKeyPreferences(JSON.parse(JSON.stringify(keys)), 'keys'), keys);
  const { keys: sent } = hotKeyCommand(keys);
  assert.deepEqual(sent.map(({ id, action }) => [id, action]), [
    ['push_to_talk:microphone', { kind: 'push_to_talk', input: 'microphone' }],
    ['mute:system_sound', { kind: 'tell' }],
  ]);
  const named = withKey([], 'mute', 'microphone', F8, 'Microphone: Mute');
  assert.deepEqual(hotKeyPreferences(JSON.parse(JSON.stringify(named)), 'keys'), named, 'also what a desktop lists it by');
  assert.equal(hotKeyCommand(named).keys[0]?.label, 'Microphone: Mute');
  assert.equal(mutedBy('mute:system_sound'), 'system_sound');
  assert.equal(mutedBy('push_to_talk:microphone'), undefined);
});

test('another key for the same thing takes its place, and none removes it', () => {
  const first = withKey([], 'push_to_mute', 'microphone', F8);
  const second = withKey(first, 'push_to_mute', 'microphone', chordOf('KeyV', none));
  assert.equal(second.length, 1);
  assert.equal(second[0]?.chord.code, 'KeyV');
  assert.deepEqual(withKey(second, 'push_to_mute', 'microphone', undefined), []);
});

test('a list that is none, a key twice and a code of another shape are refused', () => {
  const one = { action: 'mute', input: 'microphone', chord: F8 };
  assert.throws(() => hotKeyPreferences({}, 'keys'), /keys/);
  assert.throws(() => hotKeyPreferences([one, one], 'keys'), /keys\[1\]/);
  assert.throws(() => hotKeyPreferences([{ ...one, action: 'explode' }], 'keys'), /action/);
  assert.throws(() => hotKeyPreferences([{ ...one, chord: { ...F8, code: 'rm -rf' } }], 'keys'), /code/);
});

test('a modifier by itself is a key, and is not held beside itself', () => {
  const right = chordOf('ControlRight', { ...none, ctrlKey: true });
  assert.equal(right.ctrl, false);
  assert.equal(chordText(right, words), 'Right Ctrl');
  assert.equal(chordText(chordOf('KeyV', { ...none, ctrlKey: true, shiftKey: true }), words), 'Ctrl + Shift + V');
  assert.equal(chordText(chordOf('Numpad0', none), words), 'Num 0');
  assert.equal(chordText(chordOf('MouseBack', none), words), 'Back');
  assert.ok(!sameChord(F8, chordOf('F8', { ...none, altKey: true })));
});

test('a fresh engine gets the keys back, after the inputs that they silence', () => {
  const done = { type: 'done' } as const;
  let session = remember(emptySession, hotKeyCommand(withKey([], 'push_to_talk', 'a', F8)), done);
  session = remember(session, { type: 'add_audio_input', id: 'a', source: { kind: 'microphone', device: 'default' } }, done);
  const types = replay(session).map(({ type }) => type);
  assert.ok(types.indexOf('set_hot_keys') > types.indexOf('add_audio_input'));
  assert.ok(!replay(emptySession).some(({ type }) => type === 'set_hot_keys'));
});
