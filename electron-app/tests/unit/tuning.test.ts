import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsers } from '../../src/main/ipc_arguments';
import { emptySession, remember, replay } from '../../src/shared/session';
import { defaultSettings, parseSettings } from '../../src/shared/settings';
import { DEFAULT_TUNING } from '../../src/shared/tuning';

const wish = { ...DEFAULT_TUNING, adaptRecording: true, effort: 'room' as const };

test('a new engine is told what the user lets it change, before anything runs', () => {
  const session = remember(emptySession, { type: 'set_tuning', tuning: wish }, { type: 'done' });
  assert.deepEqual(replay(session)[0], { type: 'set_tuning', tuning: wish });
  assert.ok(replay(emptySession).every((command) => command.type !== 'set_tuning'), 'its own default otherwise');
});

test('it is remembered, and files of before know nothing of it', () => {
  const kept: unknown = JSON.parse(JSON.stringify({ ...defaultSettings(), tuning: wish }));
  assert.deepEqual(parseSettings(kept).tuning, wish);
  assert.equal(parseSettings(JSON.parse(JSON.stringify(defaultSettings()))).tuning, undefined);
  const { zeroCopy: _, ...older } = wish;
  assert.deepEqual(parseSettings(JSON.parse(JSON.stringify({ ...defaultSettings(), tuning: older }))).tuning, wish);
  assert.throws(() => parseSettings({ ...defaultSettings(), tuning: { ...wish, effort: 'all' } }));
});

test('the page changes one thing of it at a time', () => {
  assert.deepEqual(parsers.changeTuning([{ adapt: false }]), [{ adapt: false }]);
  assert.throws(() => parsers.changeTuning([{ adapt: 'no' }]));
  assert.throws(() => parsers.changeTuning([{ anything: true }]));
});
