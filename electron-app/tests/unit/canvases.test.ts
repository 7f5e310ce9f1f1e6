import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canvasDraft, DEFAULT_CANVAS, savedCanvases, toEngine, type SavedCanvas } from '../../src/shared/canvases';
import type { Command } from '../../src/shared/model';
import { emptySession, remember, replay } from '../../src/shared/session';
import type { Scene } from '../../src/shared/scene';

const saved: SavedCanvas = { ...DEFAULT_CANVAS, id: 'a1', name: 'Upright', source: 'x11:monitor:A' };
const scene: Scene = { name: 'Tall', canvas: { width: 1080, height: 1920 }, items: [] };

test('a source fills its canvas, and a scene is shown as it is now', () => {
  const filled = toEngine(saved, [], 2);
  assert.deepEqual(filled?.settings, { width: 720, height: 720, fps: 30, kbps: 2500, gopSeconds: 2 });
  const its: Scene = JSON.parse(filled?.scene ?? '');
  assert.deepEqual([its.canvas, its.items.map(({ source, fit }) => [source, fit])], [{ width: 1080, height: 1920 }, [['x11:monitor:A', 'cover']]]);
  const shows = { ...saved, source: undefined, scene: 'Tall' };
  assert.deepEqual(JSON.parse(toEngine(shows, [scene], 2)?.scene ?? ''), scene);
  assert.equal(toEngine(shows, [], 2), undefined, 'its scene is gone');
  const window = { ...saved, source: 'x11:find:Game' };
  const captured = { id: 'x11:window:0x1', lastingId: 'x11:find:Game' };
  assert.match(toEngine(window, [], 2, captured)?.scene ?? '', /x11:window:0x1/, 'what is captured already is not captured twice');
});

test('what the file or the page says of a canvas is checked', () => {
  assert.deepEqual(savedCanvases([saved], 'canvases'), [{ ...saved, scene: undefined, codec: undefined }]);
  assert.equal(toEngine(savedCanvases([{ ...saved, codec: 'av1' }], 'canvases')[0] ?? saved, [], 2)?.codec, 'av1');
  const { id: _id, ...draft } = saved;
  assert.equal(canvasDraft(draft, 'canvas').id, undefined);
  for (const bad of [{ ...saved, short: 721 }, { ...saved, shape: '2:3' }, { ...saved, fps: 0 }, { ...saved, id: 'a b' }, { ...saved, kbps: '1' }, { ...saved, codec: 'vp9' }]) {
    assert.throws(() => canvasDraft(bad, 'canvas'), JSON.stringify(bad));
  }
  assert.throws(() => savedCanvases([draft], 'canvases'), /id/);
  assert.throws(() => savedCanvases([saved, saved, saved, saved], 'canvases'));
});

test('a fresh engine gets the canvases before the destinations that take them, and no removed one', () => {
  const canvas = toEngine(saved, [], 2);
  assert.ok(canvas);
  const commands: Command[] = [
    { type: 'start_capture', sourceId: 'x11:monitor:A', settings: canvas.settings, cursor: true },
    { type: 'set_canvas', canvas, force: false },
    { type: 'add_destination', id: 'd', name: 'D', destination: { kind: 'mpeg_ts', url: 'udp://127.0.0.1:9' }, canvas: 'a1' },
    { type: 'start_destination', id: 'd' },
  ];
  const session = commands.reduce((before, command) => remember(before, command, { type: 'done' }), emptySession);
  const again = replay(session);
  const place = (type: Command['type']): number => again.findIndex((command) => command.type === type);
  assert.ok(place('start_capture') < place('set_canvas') && place('set_canvas') < place('add_destination'));
  assert.deepEqual(again[place('set_canvas')], { type: 'set_canvas', canvas, force: true });
  assert.deepEqual(again[place('add_destination')], commands[2]);
  const removed = replay(remember(session, { type: 'remove_canvas', id: 'a1' }, { type: 'done' }));
  assert.ok(removed.every(({ type }) => type !== 'set_canvas' && type !== 'start_destination'));
});
