import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diagnosticsBundle } from '../../src/main/diagnostics';
import { Journal } from '../../src/main/journal';
import { redact, redactText } from '../../src/shared/redact';
import { defaultSettings } from '../../src/shared/settings';

test('a URL keeps its scheme and host only', () => {
  assert.equal(redactText('POST https://user:pw@live.example.com:8443/whip/abc?key=1#x failed'), 'POST https://live.example.com:8443/*** failed');
  assert.equal(redactText('at http://127.0.0.1:8080'), 'at http://127.0.0.1:8080');
  assert.equal(redactText('ws://127.0.0.1:1/preview?token=abc'), 'ws://127.0.0.1:1/***');
  assert.equal(redactText('http://host?token=abc'), 'http://host/***');
  assert.equal(redactText('Authorization: Bearer abc.def-1'), 'Authorization: Bearer ***');
});

test('a field that sounds secret is masked, whatever it holds', () => {
  assert.deepEqual(redact({ viewToken: 'a', key: { deep: 'b' }, passPhrase: 1, list: [{ whipKey: 'c' }], fps: 30, hasSavedWhipKey: true }), {
    viewToken: '***',
    key: '***',
    passPhrase: '***',
    list: [{ whipKey: '***' }],
    fps: 30,
    hasSavedWhipKey: true,
  });
});

test('no secret is in the diagnostics', () => {
  const journal = new Journal();
  journal.note('engine', { type: 'state', state: { localServer: { viewUrl: 'http://10.0.0.2:1/?t=SECRET1', viewToken: 'SECRET2' } } });
  journal.note('could not reach https://live.example.com/whip/SECRET3');
  const bundle = diagnosticsBundle(
    {
      versions: { app: '0.1.0', electron: '9', chromium: '83', node: '12', platform: 'linux x64' },
      settings: { ...defaultSettings(), whipUrl: 'https://live.example.com/whip/SECRET4', sealedWhipKey: 'SECRET5' },
      host: { kind: 'running' },
      state: {
        capture: { kind: 'capturing' },
        publish: { kind: 'live', sinceMs: 1 },
        settings: { width: 2, height: 2, fps: 1, kbps: 50, gopSeconds: 1 },
        sources: [],
        destinations: [],
        canvases: [],
        audio: [],
        refusedEncoders: [],
        constantRate: false,
        replay: false,
        viewLink: { url: 'http://10.0.0.2:1/?t=SECRET6', loopbackUrl: 'http://127.0.0.1:1/?t=SECRET7', reach: 'network' },
      },
      events: journal.all(),
    },
    new Date(0),
  );
  assert.ok(!bundle.includes('SECRET'), bundle);
  assert.ok(bundle.includes('live.example.com') && bundle.includes('"capturing"'), 'what helps is still there');
});

test('the journal forgets the oldest', () => {
  const journal = new Journal();
  for (let i = 0; i < 500; i += 1) journal.note(`event ${i}`);
  assert.equal(journal.all().length, 200);
  assert.equal(journal.all()[199]?.what, 'event 499');
});
