import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownSources } from '../../src/main/known_sources';
import { en } from '../../src/shared/i18n/en';
import { zh } from '../../src/shared/i18n/zh';
import { sourceTitle } from '../../src/shared/source_names';

const unlisted = (id: string): string => sourceTitle(zh, { id, kind: '', title: '' });

test('what has no title of its own is called by what it is, in the user’s language', () => {
  const source = (kind: string) => ({ id: 'x', kind, title: 'Full-screen program' });
  assert.equal(sourceTitle(zh, source('game')), zh.gameSource);
  assert.equal(sourceTitle(en, source('portal')), en.portalSource);
  assert.equal(sourceTitle(en, source('window')), 'Full-screen program');
});

test('one that was in no list is called by the readable part of its id', () => {
  assert.equal(unlisted('wayland:portal:left'), zh.portalSource);
  assert.equal(unlisted('x11:game'), zh.gameSource);
  assert.equal(unlisted('pattern:bars'), zh.patternBars);
  assert.equal(unlisted('x11:find:gedit?title=My%20notes'), 'My notes');
  assert.equal(unlisted('x11:find:gedit'), 'gedit');
  assert.equal(unlisted('image:/home/a/cat%20one.png?size=3'), 'cat one.png');
  assert.equal(unlisted('text:50%25?size=72'), '50%');
  assert.equal(unlisted('text:50% off'), '50% off');
  assert.equal(unlisted('camera:/dev/video0'), 'camera:/dev/video0');
});

test('what was listed longest ago is forgotten first', () => {
  const known = new KnownSources();
  const source = (id: string) => ({ id, lastingId: `lasting:${id}`, kind: 'window', title: id, program: '', x: 0, y: 0, width: 1, height: 1, thumbnailUrl: '' });
  known.learn([source('old'), source('kept')]);
  for (let at = 0; at < 2_000; at += 1) known.learn([source(`w${at}`), source('kept')]);
  assert.equal(known.lastingOf('old'), 'old');
  assert.equal(known.lastingOf('kept'), 'lasting:kept');
});
