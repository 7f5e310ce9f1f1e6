/** The last minute of a figure as a line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparkPath } from '../../src/renderer/ui/sparkline';

const points = (path: string): Array<[number, number]> =>
  path.split(/[ML]/).filter((part) => part !== '').map((part) => {
    const [x = NaN, y = NaN] = part.split(' ').map(Number);
    return [x, y];
  });

test('the newest value stands at the right, and the highest touches the top', () => {
  const line = points(sparkPath([0, 500, 1000, 250], 84, 20));
  assert.equal(line.length, 4);
  assert.equal(line[3]?.[0], 84);
  assert.deepEqual(line.map(([, y]) => y), [19, 10, 1, 14.5]);
  assert.ok(line.every(([x], at) => at === 0 || x > (line[at - 1]?.[0] ?? 0)));
});

test('nothing sent is a line at the bottom, and a whole minute fills the width', () => {
  assert.deepEqual(points(sparkPath([0, 0], 84, 20)).map(([, y]) => y), [19, 19]);
  const minute = points(sparkPath(Array.from({ length: 60 }, () => 7), 84, 20));
  assert.equal(minute[0]?.[0], 0);
});
