import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GlobalKeys, isWayland } from '../../src/main/global_keys';
import { actHotKey, actOf, parseActKeys, withActKey } from '../../src/shared/act_keys';
import { sceneHotKey } from '../../src/shared/hot_keys';
import { Refused } from '../../src/shared/parse';
import { chordOfKeys, hotKeyText, isHotKey, parseSceneKeys, pressedHotKey, withKey } from '../../src/shared/scene_keys';

const bare = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };

test('what would be typed into other programs is no hot key', () => {
  for (const keys of ['A', '1', 'Shift+A', 'Shift+1', 'CommandOrControl+', 'Escape', 'CommandOrControl+Enter', '', 'F25', 'Shift+CommandOrControl+A']) {
    assert.equal(isHotKey(keys), false, keys);
  }
  for (const keys of ['F1', 'F24', 'Shift+F5', 'num7', 'CommandOrControl+1', 'CommandOrControl+Alt+Super+Shift+Z', 'Alt+F4', 'Super+num0']) {
    assert.equal(isHotKey(keys), true, keys);
  }
});

test('a pressed key is read by its place on the keyboard', () => {
  assert.equal(pressedHotKey({ ...bare, code: 'Digit3', ctrlKey: true, shiftKey: true }, false), 'CommandOrControl+Shift+3');
  assert.equal(pressedHotKey({ ...bare, code: 'KeyK', altKey: true, metaKey: true }, false), 'Alt+Super+K');
  assert.equal(pressedHotKey({ ...bare, code: 'KeyK', metaKey: true }, true), 'CommandOrControl+K');
  assert.equal(pressedHotKey({ ...bare, code: 'Numpad4' }, false), 'num4');
  assert.equal(pressedHotKey({ ...bare, code: 'F6' }, false), 'F6');
  // A modifier alone is on its way to be one.
  assert.equal(pressedHotKey({ ...bare, code: 'ControlLeft', ctrlKey: true }, false), undefined);
  assert.equal(pressedHotKey({ ...bare, code: 'KeyK' }, false), undefined);
  assert.equal(hotKeyText('CommandOrControl+num4', false), 'Ctrl+Num 4');
});

test('a key shows one scene', () => {
  const keys = withKey(withKey([], 'A', 'F1'), 'B', 'F2');
  assert.deepEqual(withKey(keys, 'C', 'F1'), [{ scene: 'B', keys: 'F2' }, { scene: 'C', keys: 'F1' }]);
  assert.deepEqual(withKey(keys, 'A', 'F3'), [{ scene: 'B', keys: 'F2' }, { scene: 'A', keys: 'F3' }]);
  assert.deepEqual(withKey(keys, 'A', undefined), [{ scene: 'B', keys: 'F2' }]);
});

test('kept keys are parsed', () => {
  assert.deepEqual(parseSceneKeys([{ scene: 'A', keys: 'F1' }], 'keys'), [{ scene: 'A', keys: 'F1' }]);
  for (const wrong of [{}, [{ scene: 'A' }], [{ scene: 'A', keys: 'A' }], [{ scene: 1, keys: 'F1' }]]) {
    assert.throws(() => parseSceneKeys(wrong, 'keys'), Refused);
  }
});

test('the system holds the keys that are wanted, each once, and what it refuses is told', () => {
  const held = new Map<string, () => void>();
  const calls: string[] = [];
  const pressed: string[] = [];
  const keys = new GlobalKeys(
    {
      register: (name, act) => {
        calls.push(`+${name}`);
        if (name === 'F9') return false;
        held.set(name, act);
        return true;
      },
      unregister: (name) => {
        calls.push(`-${name}`);
        held.delete(name);
      },
    },
    (id) => pressed.push(id),
  );
  assert.deepEqual(keys.hold([{ id: 'A', keys: 'F1' }, { id: 'B', keys: 'F9' }]), [{ id: 'B', keys: 'F9' }]);
  assert.deepEqual(keys.refused, [{ id: 'B', keys: 'F9' }], 'as its field shows');
  held.get('F1')?.();
  assert.deepEqual(pressed, ['A']);
  // The key goes to another scene; the refused one is tried again.
  calls.length = 0;
  keys.hold([{ id: 'B', keys: 'F1' }]);
  held.get('F1')?.();
  assert.deepEqual([calls, pressed], [['-F1', '+F1'], ['A', 'B']]);
  calls.length = 0;
  keys.hold([{ id: 'B', keys: 'F1' }]);
  assert.deepEqual(calls, []);
  keys.hold([]);
  assert.equal(held.size, 0);
  assert.deepEqual(keys.refused, []);
});

test('a key is the same as a chord, by its place', () => {
  const none = { ctrl: false, alt: false, shift: false, meta: false };
  assert.deepEqual(chordOfKeys('CommandOrControl+Alt+7'), { ...none, code: 'Digit7', ctrl: true, alt: true });
  assert.deepEqual(chordOfKeys('Super+Shift+A'), { ...none, code: 'KeyA', shift: true, meta: true });
  assert.deepEqual(chordOfKeys('F13'), { ...none, code: 'F13' });
  assert.deepEqual(chordOfKeys('Shift+num4'), { ...none, code: 'Numpad4', shift: true });
});

test('a Wayland session is known by what it puts into the environment', () => {
  assert.ok(isWayland('linux', { WAYLAND_DISPLAY: 'wayland-0', DISPLAY: ':0' }));
  assert.ok(isWayland('linux', { XDG_SESSION_TYPE: 'wayland' }));
  assert.ok(!isWayland('linux', { XDG_SESSION_TYPE: 'x11', WAYLAND_DISPLAY: '' }));
  assert.ok(!isWayland('win32', { XDG_SESSION_TYPE: 'wayland' }));
});

test('an act has a key, which does one thing, and only known acts are kept', () => {
  const keys = withActKey(withActKey([], 'record', 'F1'), 'save_replay', 'F2');
  assert.deepEqual(withActKey(keys, 'go_live', 'F1'), [{ act: 'save_replay', keys: 'F2' }, { act: 'go_live', keys: 'F1' }]);
  assert.deepEqual(withActKey(keys, 'record', undefined), [{ act: 'save_replay', keys: 'F2' }]);
  assert.deepEqual(parseActKeys([{ act: 'record', keys: 'F1' }], 'keys'), [{ act: 'record', keys: 'F1' }]);
  for (const wrong of [{}, [{ act: 'format', keys: 'F1' }], [{ act: 'record', keys: 'R' }], [{ act: 'record' }]]) {
    assert.throws(() => parseActKeys(wrong, 'keys'), Refused);
  }
  assert.equal(actOf(actHotKey({ act: 'reconnect', keys: 'F3' }, 'Reconnect now').id), 'reconnect');
  assert.equal(actOf(sceneHotKey({ scene: 'reconnect', keys: 'F3' }, 'a scene').id), undefined);
});
