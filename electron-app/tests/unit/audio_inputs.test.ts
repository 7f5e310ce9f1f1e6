import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultEffect, EFFECT_KINDS, inputCommands, inputPreferences, newInput } from '../../src/shared/audio_inputs';
import { emptySession, remember, replay } from '../../src/shared/session';

const program = { kind: 'application', program: 'Player' } as const;

test('only what has changed is sent, and what is gone is removed', () => {
  const before = [newInput('a', program), newInput('b', { kind: 'microphone', device: 'second' })];
  const quieter = { ...newInput('a', program), gainDb: -6 };
  assert.deepEqual(inputCommands(before, [quieter]), [
    { type: 'remove_audio_input', id: 'b' },
    { type: 'set_audio_input', id: 'a', change: { gainDb: -6 } },
  ]);
  assert.deepEqual(inputCommands(before, before), []);
});

test('an input is called in recordings as it was listed when it was chosen', () => {
  const named = newInput('a', program, 'Player of music');
  assert.deepEqual(inputCommands([], [named]), [
    { type: 'add_audio_input', id: 'a', source: program },
    { type: 'set_audio_input', id: 'a', change: { name: 'Player of music' } },
  ]);
  assert.deepEqual(inputCommands([named], [named]), []);
  assert.deepEqual(inputPreferences(JSON.parse(JSON.stringify([named])), 'inputs'), [named]);
});

test('volume and mute of the two built-in inputs are not set twice', () => {
  const microphone = { ...newInput('microphone'), gainDb: -3, muted: true, delayMs: 40 };
  assert.deepEqual(inputCommands([], [microphone]), [{ type: 'set_audio_input', id: 'microphone', change: { delayMs: 40 } }]);
});

test('every filter is read back as it was saved, and one out of range is refused', () => {
  const filters = EFFECT_KINDS.map((kind) => ({ enabled: true, effect: defaultEffect(kind) }));
  const saved = [{ ...newInput('a', program), filters }];
  assert.deepEqual(inputPreferences(JSON.parse(JSON.stringify(saved)), 'inputs'), saved);
  const wrong = [{ ...saved[0], filters: [{ enabled: true, effect: { kind: 'limiter', ceilingDb: 3, releaseMs: 100 } }] }];
  assert.throws(() => inputPreferences(wrong, 'inputs'), /ceilingDb/);
  assert.throws(() => inputPreferences([{ ...newInput('master') }], 'inputs'), /id/);
});

test('a fresh engine gets the inputs back', () => {
  const done = { type: 'done' } as const;
  let session = emptySession;
  for (const command of inputCommands([], [{ ...newInput('a', program), gainDb: -6, solo: true }])) session = remember(session, command, done);
  session = remember(session, { type: 'set_audio_input', id: 'a', change: { gainDb: -9 } }, done);
  session = remember(session, { type: 'listen_audio', device: 'default' }, done);
  const commands = replay(session).filter(({ type }) => type.includes('audio_input') || type === 'listen_audio');
  assert.deepEqual(commands, [
    { type: 'add_audio_input', id: 'a', source: program },
    { type: 'set_audio_input', id: 'a', change: { gainDb: -9, solo: true } },
    { type: 'listen_audio', device: 'default' },
  ]);
  session = remember(session, { type: 'remove_audio_input', id: 'a' }, done);
  assert.equal(replay(session).some(({ type }) => type === 'add_audio_input'), false);
});
