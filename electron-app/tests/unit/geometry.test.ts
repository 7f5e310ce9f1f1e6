import assert from 'node:assert/strict';
import { test } from 'node:test';
import { intersects, toPixels } from '../../src/shared/geometry';

const monitor = { x: 0, y: 0, width: 1920, height: 1080 };

test('a window inside, across an edge, or around the area lies in the picture', () => {
  assert.ok(intersects(monitor, { x: 100, y: 100, width: 800, height: 600 }));
  assert.ok(intersects(monitor, { x: 1919, y: 1079, width: 800, height: 600 }));
  assert.ok(intersects(monitor, { x: -10, y: -10, width: 4000, height: 4000 }));
});

test('a window beside it does not, not even with a shared edge', () => {
  assert.ok(!intersects(monitor, { x: 1920, y: 0, width: 800, height: 600 }));
  assert.ok(!intersects(monitor, { x: 0, y: -600, width: 800, height: 600 }));
  assert.ok(!intersects(monitor, { x: 5, y: 5, width: 0, height: 600 }));
});

test('the scale of the screen counts', () => {
  const window = { x: 960, y: 0, width: 400, height: 300 };
  assert.ok(intersects(monitor, toPixels(window, 1)));
  assert.ok(!intersects(monitor, toPixels(window, 2)));
  assert.deepEqual(toPixels({ x: 101, y: 51, width: 301, height: 201 }, 1.5), { x: 152, y: 77, width: 452, height: 302 });
});
