import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dbOf, LEAST_DB, linearOf, MOST_DB, sayDb } from '../../src/renderer/ui/fader';

test('a fader’s decibels are the engine’s gain and back, and its left end is silence', () => {
  assert.equal(dbOf(1), 0);
  assert.equal(linearOf(0), 1);
  assert.equal(linearOf(LEAST_DB), 0);
  assert.ok(dbOf(0) < LEAST_DB);
  for (const db of [-59.5, -6, 3.5, MOST_DB]) assert.ok(Math.abs(dbOf(linearOf(db)) - db) < 1e-9, String(db));
  // What is more than the engine takes is never asked for.
  assert.ok(linearOf(MOST_DB) <= 4 && linearOf(20) === 4);
});

test('decibels are said with their sign, and silence as what it is', () => {
  assert.deepEqual([0, 4, -7.54, -60, -120].map(sayDb), ['0.0 dB', '+4.0 dB', '−7.5 dB', '−∞ dB', '−∞ dB']);
});
