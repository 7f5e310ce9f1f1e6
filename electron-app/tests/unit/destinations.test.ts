/** The list of destinations: what is remembered, where keys lie, and what goes live. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { KeyStore } from '../../src/main/key_store';
import { allTogether } from '../../src/main/live_state';
import { destinationDraft, isAddress, knownServices, sdpName, toEngine } from '../../src/shared/destinations';
import type { DestinationState, PublishState } from '../../src/shared/model';
import { emptySession, remember, replay } from '../../src/shared/session';
import { defaultSettings, parseSettings } from '../../src/shared/settings';

function folder(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'tidecast-keys-'));
}

test('each known service has servers of its own kind', () => {
  for (const service of knownServices()) {
    assert.ok(service.servers.length > 0, service.name);
    for (const server of service.servers) assert.ok(isAddress(service.kind, server.url), server.url);
  }
});

test('a settings file of the first version is taken, with an empty list', () => {
  const { destinations: _list, localInList: _local, ...old } = defaultSettings();
  assert.deepEqual(parseSettings(JSON.parse(JSON.stringify(old))).destinations, []);
});

test('keys are sealed where there is secure storage', () => {
  const place = folder();
  const sealer = { seal: (s: string) => Buffer.from(s).toString('base64'), unseal: (s: string) => Buffer.from(s, 'base64').toString() };
  new KeyStore(place, sealer).set('a', 'live_secret');
  const file = path.join(place, 'keys.json');
  assert.ok(!fs.readFileSync(file, 'utf8').includes('live_secret'));
  assert.equal(new KeyStore(place, sealer).get('a'), 'live_secret');
});

test('without secure storage keys lie in a file that only the user can read', () => {
  const place = folder();
  const sealer = { seal: () => undefined, unseal: () => undefined };
  const keys = new KeyStore(place, sealer);
  keys.set('a', 'live_secret');
  assert.equal(fs.statSync(path.join(place, 'keys.json')).mode & 0o777, 0o600);
  assert.equal(new KeyStore(place, sealer).get('a'), 'live_secret');
  keys.set('a', '');
  assert.equal(new KeyStore(place, sealer).has('a'), false);
});

test('an address of another kind is refused', () => {
  const draft = { name: 'x', kind: 'rtmp', url: 'https://host/app' };
  assert.throws(() => destinationDraft(draft, 'draft'), /an address of that kind/);
  assert.equal(destinationDraft({ ...draft, url: ' rtmp://host/app ' }, 'draft').url, 'rtmp://host/app');
});

test('the description of an RTP destination has a name that every system can keep, and goes to the engine', () => {
  assert.equal(sdpName({ name: 'Wohnzimmer 📺', url: 'rtp://10.0.0.7:5004' }), 'Tidecast Wohnzimmer.sdp');
  assert.equal(sdpName({ name: '../../etc/x', url: 'rtp://10.0.0.7:5004' }), 'Tidecast etc-x.sdp');
  assert.equal(sdpName({ name: '', url: 'rtp://10.0.0.7:5004' }), 'Tidecast 10-0-0-7-5004.sdp');
  assert.equal(sdpName({ name: '…', url: 'rtp://h:1' }), 'Tidecast RTP.sdp');
  const sdpFile = '/videos/Tidecast x.sdp';
  assert.deepEqual(toEngine({ kind: 'rtp', url: 'rtp://h:5004' }, undefined, sdpFile), { kind: 'rtp', url: 'rtp://h:5004', sdpFile });
});

test('a restarted engine gets back the list, and only what ran is started', () => {
  const done = { type: 'done' } as const;
  let session = { ...emptySession };
  const destination = toEngine({ kind: 'rtmp', url: 'rtmp://host/app' }, 'key');
  for (const id of ['a', 'b']) session = remember(session, { type: 'add_destination', id, name: id, destination }, done);
  for (const id of ['a', 'b']) session = remember(session, { type: 'start_destination', id }, done);
  session = remember(session, { type: 'stop_destination', id: 'b' }, done);
  session = remember(session, { type: 'choose_primary', id: 'b' }, done);
  const commands = replay(session).filter((command) => command.type.includes('destination') || command.type === 'choose_primary');
  assert.deepEqual(
    commands.map((command) => [command.type, 'id' in command ? command.id : '']),
    [['add_destination', 'a'], ['start_destination', 'a'], ['add_destination', 'b'], ['choose_primary', 'b']],
  );
});

test('one that is live makes the stream live, however the others are', () => {
  const of = (state: PublishState): DestinationState => ({ id: 'x', name: '', kind: 'rtmp', primary: false, state });
  const idle: PublishState = { kind: 'idle' };
  const failed = of({ kind: 'failed', code: 'bad_key' });
  const live = of({ kind: 'live', sinceMs: 7 });
  assert.deepEqual(allTogether(idle, [failed, live]), { kind: 'live', sinceMs: 7 });
  assert.deepEqual(allTogether(idle, [failed]), idle);
  assert.deepEqual(allTogether({ kind: 'connecting' }, [live]), { kind: 'connecting' });
});

test('a backend is reached by ws and wss only, and gets its key apart from the address', () => {
  for (const [url, taken] of [['wss://a.example/ws/live', true], ['ws://192.168.1.2:8080/x', true], ['https://a.example/', false], ['wss://', false]] as const) {
    assert.equal(isAddress('backend', url), taken, url);
  }
  const saved = { kind: 'backend', url: 'wss://a.example/ws/live' } as const;
  assert.deepEqual(toEngine(saved, 'live_secret'), { kind: 'backend', url: 'wss://a.example/ws/live', key: 'live_secret' });
  assert.deepEqual(toEngine(saved, undefined), { kind: 'backend', url: 'wss://a.example/ws/live' });
  assert.equal(destinationDraft({ name: 'SFU', kind: 'backend', url: ' wss://a.example/x ' }, 'draft').url, 'wss://a.example/x');
});

test('only a WHIP server is offered several sizes, and only where that was asked for', () => {
  const url = 'https://a.example/whip/live';
  assert.deepEqual(toEngine({ kind: 'whip', url }, undefined), { kind: 'whip', url, simulcast: false });
  assert.deepEqual(toEngine({ kind: 'whip', url, simulcast: true }, 'k'), { kind: 'whip', url, key: 'k', simulcast: true });
  assert.ok(!('simulcast' in toEngine({ kind: 'rtmp', url: 'rtmp://a/b', simulcast: true }, undefined)));
});
