import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command, Reply } from '../../src/shared/model';
import { cardTexts } from '../../src/shared/card_texts';
import { emptySession, remember, replay, type Session } from '../../src/shared/session';

const done: Reply = { type: 'done' };
const video = { width: 1280, height: 720, fps: 30, kbps: 4000, gopSeconds: 2 };

function after(commands: Command[], start: Session = emptySession): Session {
  return commands.reduce((session, command) => remember(session, command, done), start);
}

const live: Command[] = [
  { type: 'exclude_window', window: 77 },
  { type: 'select_audio', microphone: 'mic', systemSound: true },
  { type: 'mute_audio', input: 'microphone', muted: true },
  { type: 'set_volume', input: 'system_sound', volume: 0.5 },
  { type: 'start_capture', sourceId: 'monitor:0', settings: video, cursor: true },
];

test('a fresh engine learns the language of its cards before it is given a source', () => {
  const texts = cardTexts('zh');
  assert.ok(texts.some(({ code, text }) => code === 'source_closed' && text === '采集的窗口已关闭'), JSON.stringify(texts));
  assert.ok(texts.every(({ code, text }) => text !== '' && !text.includes(code.replace(/_/g, ' '))), 'each code has its text');
  const commands = replay(after([...live, { type: 'set_card_texts', texts }]));
  const place = (type: Command['type']): number => commands.findIndex((command) => command.type === type);
  assert.ok(place('set_card_texts') >= 0 && place('set_card_texts') < place('start_capture'));
  assert.deepEqual(cardTexts('en'), [], 'the engine speaks English by itself');
  assert.equal(replay(after([...live, { type: 'set_card_texts', texts: [] }])).some(({ type }) => type === 'set_card_texts'), false);
});

test('a session is replayed in the order that the engine needs', () => {
  const session = remember(
    remember(
      after(live),
      { type: 'start_local_server', reach: 'network', port: 0 },
      {
        type: 'local_server',
        localServer: { port: 8123, viewUrl: 'u', loopbackViewUrl: 'l', reach: 'network', viewToken: 'tok' },
      },
    ),
    { type: 'start_publish', destination: { kind: 'local_server' } },
    done,
  );
  assert.deepEqual(replay(session), [
    ...live,
    { type: 'start_local_server', reach: 'network', port: 8123, viewToken: 'tok' },
    { type: 'start_publish', destination: { kind: 'local_server' } },
  ]);
});

test('the settings that were changed while it ran are the ones that come back', () => {
  const session = after([
    ...live,
    { type: 'change_resolution', width: 854, height: 480 },
    { type: 'set_frame_rate', fps: 60 },
    { type: 'set_bitrate', kbps: 900 },
    { type: 'set_gop', seconds: 1 },
  ]);
  const start = replay(session).find(({ type }) => type === 'start_capture');
  assert.deepEqual(start, {
    type: 'start_capture',
    sourceId: 'monitor:0',
    settings: { width: 854, height: 480, fps: 60, kbps: 900, gopSeconds: 1 },
    cursor: true,
  });
});

test('what the user ended is not begun again', () => {
  const ended = after([
    ...live,
    { type: 'start_publish', destination: { kind: 'whip', url: 'https://a.example/whip', key: 'k', simulcast: false } },
    { type: 'stop_capture' },
  ]);
  const types = replay(ended).map(({ type }) => type);
  assert.ok(!types.includes('start_capture') && !types.includes('start_publish'));
  const quiet = after([{ type: 'start_local_server', reach: 'network', port: 1 }, { type: 'stop_local_server' }]);
  assert.ok(!replay(quiet).some(({ type }) => type === 'start_local_server'));
});

test('a question changes nothing', () => {
  const session = after(live);
  for (const type of ['list_sources', 'probe_encoders', 'open_preview', 'stats'] as const) {
    assert.equal(remember(session, { type }, done), session);
  }
});

test('a fresh session only says which sound is wanted', () => {
  assert.deepEqual(replay(emptySession), [{ type: 'select_audio', microphone: undefined, systemSound: false }]);
});
