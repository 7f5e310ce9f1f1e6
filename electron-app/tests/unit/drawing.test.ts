import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawsWithoutOpenGl } from '../../src/main/drawing';

test('the window is drawn without OpenGL only on a Linux that has no GPU', () => {
  assert.equal(drawsWithoutOpenGl('linux', ['null', 'dri/card0', 'nvidiactl'], []), true);
  for (const node of ['dri/renderD128', 'nvidia0', 'dxg']) assert.equal(drawsWithoutOpenGl('linux', ['null', node], []), false, node);
  for (const platform of ['win32', 'darwin'] as const) assert.equal(drawsWithoutOpenGl(platform, [], []), false, platform);
});

test('an OpenGL that was chosen on the command line is kept', () => {
  assert.equal(drawsWithoutOpenGl('linux', [], ['electron', '.', '--use-gl=desktop']), false);
});
