import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsers } from '../../src/main/ipc_arguments';
import { CONTENT_SECURITY_POLICY, isOwnPage } from '../../src/main/origin';
import { pageFile } from '../../src/main/page_file';
import { Refused } from '../../src/shared/parse';

function refused(work: () => unknown): void {
  assert.throws(work, Refused);
}

test('good arguments pass as they are', () => {
  assert.deepEqual(parsers.startCapture(['monitor:0']), ['monitor:0']);
  assert.deepEqual(parsers.changeVideo([{ kbps: 2500, fps: 60 }]), [{ kbps: 2500, fps: 60 }]);
  assert.deepEqual(parsers.changeAudio([{ microphone: '', microphoneMuted: true }]), [{ microphone: '', microphoneMuted: true }]);
  assert.deepEqual(parsers.goLive([{ kind: 'local' }]), [{ kind: 'local' }]);
  assert.deepEqual(parsers.goLive([{ kind: 'whip', url: 'https://a.example/whip', key: 'k', useSavedKey: false, keepKey: true, simulcast: true }]), [
    { kind: 'whip', url: 'https://a.example/whip', key: 'k', useSavedKey: false, keepKey: true, simulcast: true },
  ]);
  assert.deepEqual(parsers.answerQuit([false]), [false]);
});

test('what is missing, too much, or of another shape is refused', () => {
  refused(() => parsers.startCapture([]));
  refused(() => parsers.startCapture(['']));
  refused(() => parsers.startCapture([{}]));
  refused(() => parsers.startCapture(['a', 'b']));
  refused(() => parsers.listSources(['x']));
  refused(() => parsers.answerQuit(['yes']));
  refused(() => parsers.changeVideo([{ width: 1281 }]));
  refused(() => parsers.changeVideo([{ fps: 29.97 }]));
  refused(() => parsers.changeVideo([{ kbps: Number.NaN }]));
  refused(() => parsers.changeVideo([{ kbps: 100_001 }]));
  refused(() => parsers.changeVideo([{ constructor: 1 }]));
  refused(() => parsers.changeVideo([JSON.parse('{"__proto__": 1}')]));
  refused(() => parsers.changeAudio([{ systemVolume: -1 }]));
  refused(() => parsers.changeRecording([{ folder: '/etc' }]));
  refused(() => parsers.changeRecording([{ splitMinutes: -1 }]));
  refused(() => parsers.addChapter(['x'.repeat(201)]));
  refused(() => parsers.changeSettings([{ sealedWhipKey: 'x' }]));
  refused(() => parsers.goLive([{ kind: 'rtmp' }]));
});

test('a WHIP address is http or https, with a host', () => {
  for (const url of ['', 'live', 'ftp://a/b', 'javascript:alert(1)', 'file:///etc/passwd', 'https://']) {
    refused(() => parsers.goLive([{ kind: 'whip', url, useSavedKey: false, keepKey: false }]));
  }
});

test('a foreign frame is refused', () => {
  assert.ok(isOwnPage({ url: 'tidecast://app/index.html', isTopFrame: true }));
  assert.ok(isOwnPage({ url: 'tidecast://app', isTopFrame: true }));
  assert.ok(!isOwnPage({ url: 'tidecast://app/index.html', isTopFrame: false }));
  for (const url of ['https://evil.example/', 'tidecast://app.evil.example/', 'tidecast://application/', 'file:///x', 'about:blank', '']) {
    assert.ok(!isOwnPage({ url, isTopFrame: true }), url);
  }
});

test('the policy starts from nothing and lets no foreign script in', () => {
  assert.ok(CONTENT_SECURITY_POLICY.startsWith("default-src 'none'"));
  assert.ok(!/unsafe|https?:\/\/\*|script-src[^;]*http/.test(CONTENT_SECURITY_POLICY));
});

test('the page can read its own files and no other', () => {
  assert.equal(pageFile('/app/page', 'tidecast://app/'), '/app/page/index.html');
  assert.equal(pageFile('/app/page', 'tidecast://app/fonts/a.woff2?x=1'), '/app/page/fonts/a.woff2');
  for (const url of [
    'tidecast://app/..%2f..%2fetc/passwd',
    'tidecast://app/%2e%2e/%2e%2e/main/main.js/..%2f..%2f..%2fetc',
    'tidecast://other/index.html',
    'https://app/index.html',
    'tidecast://app/%00',
    'tidecast://app/%zz',
    'nonsense',
  ]) {
    const file = pageFile('/app/page', url);
    assert.ok(file === undefined || file.startsWith('/app/page/'), `${url} → ${file}`);
  }
  assert.equal(pageFile('/app/page', 'tidecast://app/..%2f..%2fetc/passwd'), undefined);
});
