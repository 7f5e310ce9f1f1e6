import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODECS, isRefused } from '../../src/shared/codecs';
import type { CodecChoice, Command } from '../../src/shared/model';
import { chosenOf, primariesOf, withChosen, withoutChosen, type Primaries } from '../../src/shared/primaries';
import { emptySession, remember, replay } from '../../src/shared/session';

const destinations = [{ id: 'a' }, { id: 'b' }, { id: 'c', canvas: 'tall' }, { id: 'd', canvas: 'tall' }, { id: 'e', canvas: 'square' }];

test('each canvas keeps its own chosen primary', () => {
  let settings: Primaries = { destinations };
  for (const id of ['a', 'c', 'e', 'd', 'b']) settings = { ...settings, ...withChosen(settings, id) };
  assert.deepEqual([chosenOf(settings, undefined), chosenOf(settings, 'tall'), chosenOf(settings, 'square'), chosenOf(settings, 'gone')], ['b', 'd', 'e', undefined]);
  assert.deepEqual(primariesOf(settings), ['b', 'e', 'd']);
  settings = { ...settings, ...withoutChosen(settings, 'd') };
  assert.deepEqual([chosenOf(settings, 'tall'), chosenOf(settings, 'square')], [undefined, 'e']);
});

test('a fresh engine is told the primary of every canvas', () => {
  const destination = { kind: 'mpeg_ts', url: 'udp://127.0.0.1:9' } as const;
  const commands: Command[] = destinations.map((each) => ({ type: 'add_destination', name: '', destination, ...each }));
  for (const id of ['a', 'c', 'd', 'e']) commands.push({ type: 'choose_primary', id });
  const session = commands.reduce((before, command) => remember(before, command, { type: 'done' }), emptySession);
  const chosen = replay(session).flatMap((command) => (command.type === 'choose_primary' ? [command.id] : []));
  assert.deepEqual(chosen, ['a', 'd', 'e']);
  const fewer = remember(session, { type: 'remove_destination', id: 'd' }, { type: 'done' });
  assert.deepEqual(fewer.primaries, ['a', 'e']);
});

test('a codec is refused by the kinds that the engine does not name, and by none before it was asked', () => {
  const choices: CodecChoice[] = [{ codec: 'av1', encoder: 'svt-av1', refused: [], takenBy: ['rtmp'] }];
  assert.ok(isRefused(choices, 'av1', 'srt') && !isRefused(choices, 'av1', 'rtmp'));
  assert.ok(!isRefused(undefined, 'av1', 'srt') && !isRefused(choices, 'hevc', 'whip'));
  assert.deepEqual([...CODECS], ['h264', 'hevc', 'av1']);
});
