import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colorId, imageId, partBetween, regionId, textId } from '../../src/shared/source_ids';

test('what would end a part of an id early is escaped', () => {
  assert.equal(imageId('/home/a b/50% off?.png'), 'image:/home/a b/50%25 off%3F.png');
  const look = { size: 72, color: '#ff8000', align: 'center' as const, bold: true, background: '#000000' };
  assert.equal(textId({ ...look, text: 'A & B = 1+1?\n第二行' }), 'text:A %26 B %3D 1%2B1%3F%0A第二行?size=72&color=ff8000&align=center&background=000000&bold=1');
  assert.equal(colorId('#ff8000'), 'color:ff8000');
  assert.equal(regionId('x11:monitor:DP-1', { x: 1, y: 2, width: 30, height: 40 }), 'region:x11:monitor:DP-1:1,2,30,40');
});

test('a region lies between two points in any order, inside of the screen, and is never too small', () => {
  const screen = { width: 800, height: 600 };
  const part = { x: 100, y: 50, width: 200, height: 100 };
  assert.deepEqual(partBetween({ x: 100, y: 50 }, { x: 300, y: 150 }, screen), part);
  assert.deepEqual(partBetween({ x: 300, y: 150 }, { x: 100, y: 50 }, screen), part);
  assert.deepEqual(partBetween({ x: 799, y: 599 }, { x: 800, y: 600 }, screen), { x: 784, y: 584, width: 16, height: 16 });
});
