import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { SettingsStore } from '../../src/main/settings_store';
import type { Notice } from '../../src/shared/contract';
import { Refused } from '../../src/shared/parse';
import { defaultSettings, parseSettings } from '../../src/shared/settings';

const whole = {
  version: 1,
  language: 'zh',
  theme: 'dark',
  video: { width: 1280, height: 720, fps: 30, kbps: 4000, gopSeconds: 2 },
  cursor: false,
  audio: { microphone: 'default', systemSound: true, microphoneMuted: true, systemMuted: false, microphoneVolume: 0.5, systemVolume: 4, inputs: [{ id: 'input-1', source: { kind: 'application', program: 'Player' }, name: 'Player', gainDb: -6, muted: false, solo: true, monitored: false, delayMs: 40, filters: [{ enabled: true, effect: { kind: 'noise_suppression' } }] }], headphones: 'phones', hotKeys: [{ action: 'push_to_talk', input: 'microphone', chord: { code: 'F9', ctrl: false, alt: false, shift: false, meta: false } }] },
  destination: 'whip',
  whipUrl: 'https://live.example.com/whip/a',
  whipSimulcast: true,
  ownSources: ['text:Hello?size=72'],
  lastSource: 'x11:find:Editor?title=notes',
  sealedWhipKey: 'c2VhbGVk',
  destinations: [{ id: 'ab12', name: 'Mine', kind: 'rtmp', url: 'rtmp://live.example.com/app', on: true, canvas: 'c1', simulcast: undefined }, { id: 'cd34', name: 'Room', kind: 'whip', url: 'https://live.example.com/whip/b', on: true, canvas: undefined, simulcast: true }],
  localInList: false,
  primaryDestination: 'cd34',
  canvasPrimaries: ['ab12'],
  destinationProfiles: [{ id: 'e0', name: 'Evening', on: ['local', 'ab12'], primary: 'ab12' }],
  canvases: [{ id: 'c1', name: 'Upright', scene: 'Both', source: undefined, shape: '9:16', short: 720, fps: 30, kbps: 2500, codec: 'av1' }],
  window: { width: 1024, height: 640 },
  scenes: [
    {
      name: 'Both',
      canvas: { width: 1080, height: 1920 },
      items: [
        {
          id: '1',
          name: '',
          source: 'camera:0',
          x: -10.5,
          y: 0,
          width: 640,
          height: 480,
          fit: 'cover',
          crop: { left: 0.1, top: 0, right: 0, bottom: 0.2 },
          rotation: 270,
          opacity: 0.5,
          visible: false,
          chroma_key: { colour: '#00b140', similarity: 0.2, smoothness: 0.1, spill: 0 },
        },
      ],
    },
  ],
  transition: { kind: 'fade', ms: 300 },
  sceneKeys: [{ scene: 'Talk', keys: 'CommandOrControl+1' }],
  actKeys: [{ act: 'save_replay', keys: 'F8' }],
  recording: { folder: '/media/takes', format: 'mkv', plain: true, inputTracks: true, canvas: 'c1', splitMinutes: 30, splitMib: 2048, replay: true, replaySeconds: 60 },
  tuning: { adapt: false, adaptRecording: true, effort: 'room', intraRefresh: true, zeroCopy: true },
};

function inFolder<T>(work: (folder: string) => T): T {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidecast-settings-'));
  try {
    return work(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const unheard = (notice: Notice): never => assert.fail(notice.kind);

test('a whole settings file is read as it was written', () => {
  assert.deepEqual(parseSettings(JSON.parse(JSON.stringify(whole))), whole);
});

test('the defaults survive a round trip through JSON', () => {
  const again = parseSettings(JSON.parse(JSON.stringify(defaultSettings())));
  assert.deepEqual(JSON.parse(JSON.stringify(again)), JSON.parse(JSON.stringify(defaultSettings())));
});

test('a wrong field refuses the file and is named', () => {
  const wrong: Array<[string, unknown]> = [
    ['settings.version', { ...whole, version: 2 }],
    ['settings.theme', { ...whole, theme: 'pink' }],
    ['settings.video.width', { ...whole, video: { ...whole.video, width: 1281 } }],
    ['settings.video.kbps', { ...whole, video: { ...whole.video, kbps: 49 } }],
    ['settings.video.gopSeconds', { ...whole, video: { ...whole.video, gopSeconds: '2' } }],
    ['settings.audio.systemVolume', { ...whole, audio: { ...whole.audio, systemVolume: 4.1 } }],
    ['settings.cursor', { ...whole, cursor: 'yes' }],
    ['settings.ownSources[0]', { ...whole, ownSources: [''] }],
    ['settings.whipUrl', { ...whole, whipUrl: 'x'.repeat(3000) }],
    ['settings.recording.replaySeconds', { ...whole, recording: { ...whole.recording, replaySeconds: 301 } }],
    ['settings.recording.format', { ...whole, recording: { ...whole.recording, format: 'avi' } }],
    ['settings.sceneKeys[0].keys', { ...whole, sceneKeys: [{ scene: 'Talk', keys: 'A' }] }],
    ['settings.actKeys[0].act', { ...whole, actKeys: [{ act: 'format', keys: 'F8' }] }],
    ['settings.canvases[0].short', { ...whole, canvases: [{ ...whole.canvases[0], short: 721 }] }],
    ['settings.destinationProfiles[0].on', { ...whole, destinationProfiles: [{ id: 'e0', name: 'Evening', on: [] }] }],
    ['settings', []],
    ['settings', null],
  ];
  for (const [name, value] of wrong) {
    assert.throws(() => parseSettings(value), (error) => error instanceof Refused && error.message.startsWith(name), name);
  }
});

test('a corrupt file is kept aside, the defaults are used, and it is said', () =>
  inFolder((folder) => {
    fs.writeFileSync(path.join(folder, 'settings.json'), '{"version":1,');
    const notices: Notice[] = [];
    const store = SettingsStore.open(folder, (notice) => notices.push(notice));
    assert.deepEqual(store.get(), defaultSettings());
    const [notice] = notices;
    assert.ok(notice?.kind === 'settings_corrupt');
    assert.equal(fs.readFileSync(path.join(folder, notice.keptAs), 'utf8'), '{"version":1,');
    store.update({ theme: 'light' });
    assert.equal(fs.readFileSync(path.join(folder, notice.keptAs), 'utf8'), '{"version":1,', 'the old file stays as it was');
  }));

test('a first run has defaults and says nothing', () =>
  inFolder((folder) => {
    const notices: Notice[] = [];
    assert.deepEqual(SettingsStore.open(path.join(folder, 'new'), (notice) => notices.push(notice)).get(), defaultSettings());
    assert.deepEqual(notices, []);
  }));

test('a change is there after a restart, readable by the user only, with no temporary file left', () =>
  inFolder((folder) => {
    SettingsStore.open(folder, unheard).update({ whipUrl: 'https://a.example/whip', language: 'zh' });
    const again = SettingsStore.open(folder, unheard).get();
    assert.equal(again.whipUrl, 'https://a.example/whip');
    assert.equal(again.language, 'zh');
    assert.deepEqual(fs.readdirSync(folder), ['settings.json']);
    if (process.platform !== 'win32') assert.equal(fs.statSync(path.join(folder, 'settings.json')).mode & 0o777, 0o600);
  }));

test('a folder that cannot be written to is said, and the app goes on', () =>
  inFolder((folder) => {
    const blocked = path.join(folder, 'file');
    fs.writeFileSync(blocked, '');
    const notices: Notice[] = [];
    const store = SettingsStore.open(path.join(blocked, 'inside'), (notice) => notices.push(notice));
    store.update({ theme: 'light' });
    assert.equal(store.get().theme, 'light');
    assert.ok(notices.some(({ kind }) => kind === 'settings_not_saved'));
  }));
