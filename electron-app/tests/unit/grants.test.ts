import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { Grants } from '../../src/main/grants';
import { KeyStore } from '../../src/main/key_store';

const folder = (): string => fs.mkdtempSync(path.join(os.tmpdir(), 'tidecast-grants-'));
const sealer = { seal: (s: string) => Buffer.from(s).toString('base64'), unseal: (s: string) => Buffer.from(s, 'base64').toString() };

test('a grant outlives the app, sealed, and apart from the stream keys', () => {
  const place = folder();
  const keys = new KeyStore(place, sealer);
  keys.set('a1b2', 'live_secret');
  const grants = new Grants(keys, () => assert.fail('it can be written'));
  grants.keep('wayland:portal', 'old');
  grants.keep('wayland:portal', 'restore-me');
  grants.keep('wayland:portal:2', 'another');
  assert.ok(!fs.readFileSync(path.join(place, 'keys.json'), 'utf8').includes('restore-me'));
  const again = new Grants(new KeyStore(place, sealer), () => undefined);
  assert.deepEqual(again.all(), [
    { sourceId: 'wayland:portal', token: 'restore-me' },
    { sourceId: 'wayland:portal:2', token: 'another' },
  ]);
  again.forget('wayland:portal');
  assert.deepEqual(again.all().map(({ sourceId }) => sourceId), ['wayland:portal:2']);
});

test('a grant that can not be written is told of, and nothing else ends', () => {
  const file = path.join(folder(), 'a-file');
  fs.writeFileSync(file, '');
  let failures = 0;
  new Grants(new KeyStore(path.join(file, 'below'), sealer), () => (failures += 1)).keep('wayland:portal', 'restore-me');
  assert.equal(failures, 1);
});

test('a grant of another user or machine is as good as none', () => {
  const place = folder();
  new Grants(new KeyStore(place, sealer), () => undefined).keep('wayland:portal', 'restore-me');
  const stranger = { seal: sealer.seal, unseal: () => undefined };
  assert.deepEqual(new Grants(new KeyStore(place, stranger), () => undefined).all(), []);
});
