import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKeptOut } from '../../src/main/own_window';

test('Windows keeps the window out of captures since version 2004, macOS always, Linux never', () => {
  assert.ok(isKeptOut('win32', '10.0.19041'));
  assert.ok(isKeptOut('win32', '10.0.26100'));
  assert.ok(!isKeptOut('win32', '10.0.18363'));
  assert.ok(isKeptOut('darwin', '23.6.0'));
  assert.ok(!isKeptOut('linux', '6.1.0-30-amd64'));
});

test('a version that can’t be read is taken for an old one', () => {
  for (const release of ['', '10', '10.0', '10.0.x']) assert.ok(!isKeptOut('win32', release), release);
});
