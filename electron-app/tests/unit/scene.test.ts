import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refused } from '../../src/shared/parse';
import {
  addItem,
  begin,
  changeItem,
  freeName,
  movedTo,
  moveItem,
  parseScene,
  raiseItem,
  readSceneFile,
  redo,
  removeItem,
  screenAndCamera,
  snapMove,
  snapScale,
  step,
  undo,
  withCanvas,
  writeSceneFile,
  type Scene,
} from '../../src/shared/scene';
import { emptySession, remember, replay } from '../../src/shared/session';

const canvas = { width: 1920, height: 1080 };
const empty: Scene = { name: 'A', canvas, items: [] };

test('the first source fills the canvas, the next lies in a corner of it', () => {
  const scene = addItem(addItem(empty, 'screen', 'Screen'), 'camera', '');
  assert.deepEqual(scene.items.map(({ id, source }) => [id, source]), [['1', 'screen'], ['2', 'camera']]);
  assert.deepEqual([scene.items[0]?.width, scene.items[0]?.height], [1920, 1080]);
  assert.deepEqual([scene.items[1]?.x, scene.items[1]?.y], [1280, 720]);
  assert.deepEqual(addItem(removeItem(scene, '1'), 'third', '').items.map(({ id }) => id), ['2', '3'], 'an id is not given twice');
});

test('order and numbers are changed without touching the old scene', () => {
  const scene = addItem(addItem(empty, 'a', ''), 'b', '');
  assert.deepEqual(raiseItem(scene, '1', 1).items.map(({ id }) => id), ['2', '1']);
  assert.equal(raiseItem(scene, '2', 1), scene, 'the topmost stays');
  assert.equal(changeItem(scene, '2', { opacity: 0.5 }).items[1]?.opacity, 0.5);
  assert.equal(scene.items[1]?.opacity, 1);
});

test('anything is moved to any place, and stays where it is moved to its own', () => {
  const scene = addItem(addItem(addItem(empty, 'a', ''), 'b', ''), 'c', '');
  const ids = (of: Scene): string => of.items.map(({ id }) => id).join('');
  assert.deepEqual([ids(moveItem(scene, '1', 2)), ids(moveItem(scene, '3', 0)), ids(moveItem(scene, '2', 9))], ['231', '312', '132']);
  assert.equal(moveItem(scene, '2', 1), scene);
  assert.equal(moveItem(scene, 'none', 1), scene);
  const list = [1, 2, 3];
  assert.deepEqual([movedTo(list, (each) => each === 3, 0), list], [[3, 1, 2], [1, 2, 3]]);
});

test('on another canvas what filled the old one fills it, and the rest keeps its corner', () => {
  const scene = screenAndCamera('Both', 'screen', 'camera', canvas);
  const before = scene.items[1];
  const tall = withCanvas(scene, { width: 1080, height: 1920 });
  assert.deepEqual(tall.items[0], { ...scene.items[0], width: 1080, height: 1920 });
  const camera = tall.items[1];
  assert.deepEqual([camera?.width, camera?.height], [before?.width, before?.height]);
  // In the lower right corner as before: as far from it, to a pixel or two, as the share of the room says.
  assert.ok(camera !== undefined && camera.x + camera.width <= 1080 && camera.x + camera.width > 1000);
  assert.ok(camera.y + camera.height <= 1920 && camera.y + camera.height > 1860);
  const half = withCanvas(scene, { width: 960, height: 540 }).items[1];
  assert.deepEqual([half?.width, half?.height], [240, 180]);
  assert.equal(withCanvas(scene, { ...canvas }), scene);
});

test('what is written as a file is read again, and what is no scene file is refused', () => {
  const scenes = [screenAndCamera('Both', 'x11:monitor:A', 'camera:0', canvas)];
  assert.deepEqual(JSON.parse(JSON.stringify(readSceneFile(writeSceneFile(scenes)))), JSON.parse(JSON.stringify(scenes)));
  for (const wrong of ['', '[]', '{"format":"other","version":1,"scenes":[]}', '{"format":"tidecast-scenes","version":2,"scenes":[]}']) {
    assert.throws(() => readSceneFile(wrong), Refused, wrong);
  }
});

test('a wrong field of a scene is named', () => {
  const whole = JSON.parse(JSON.stringify(addItem(empty, 'a', ''))) as { items: object[] };
  const item = (change: object): unknown => ({ ...whole, items: [{ ...whole.items[0], ...change }] });
  for (const [path, value] of [
    ['scene.name', { ...whole, name: ' ' }],
    ['scene.canvas.width', { ...whole, canvas: { width: 15, height: 16 } }],
    ['scene.canvas.height', { ...whole, canvas: { width: 16, height: 17 } }],
    ['scene.items[0].rotation', item({ rotation: 45 })],
    ['scene.items[0].opacity', item({ opacity: 2 })],
    ['scene.items[0].source', item({ source: '' })],
    ['scene.items[0].width', item({ width: 0 })],
    ['scene.items[0].chroma_key.colour', item({ chroma_key: { colour: 'green', similarity: 0, smoothness: 0, spill: 0 } })],
  ] as const) {
    assert.throws(() => parseScene(value, 'scene'), (error) => error instanceof Refused && error.message.startsWith(path), path);
  }
});

test('a name that is taken gets a number', () => {
  const scenes = [empty, { ...empty, name: 'A 2' }];
  assert.equal(freeName('A', scenes), 'A 3');
  assert.equal(freeName('B', scenes), 'B');
});

test('a moved frame jumps to edges, to the middle and to its neighbours, and no further than its reach', () => {
  const scene = changeItem(addItem(addItem(empty, 'a', ''), 'b', ''), '1', { x: 100, y: 100, width: 300, height: 200 });
  const box = (x: number, y: number) => snapMove(scene, '2', { x, y, width: 400, height: 200 }, 10);
  assert.deepEqual([box(-7, 5).x, box(-7, 5).y], [0, 0]);
  assert.equal(box(1513, 500).x, 1520, 'its right edge at the right edge');
  assert.equal(box(766, 500).x, 760, 'its middle in the middle');
  assert.equal(box(395, 500).x, 400, 'beside its neighbour');
  assert.equal(box(415, 500).x, 415, 'out of reach');
});

test('a scaled frame keeps its aspect and snaps with the edge that is nearest', () => {
  const scene = addItem(addItem(empty, 'a', ''), 'b', '');
  const scaled = snapScale(scene, '2', { x: 960, y: 540, width: 954, height: 1 }, 16 / 9, 10);
  assert.deepEqual(scaled, { x: 960, y: 540, width: 960, height: 540 });
  assert.equal(snapScale(scene, '2', { x: 0, y: 0, width: -50, height: 1 }, 2, 0).width, 16);
});

test('undo and redo go back and forth, and a new step forgets what was undone', () => {
  let history = step(step(begin(1), 2), 3);
  history = undo(undo(history));
  assert.equal(history.present, 1);
  assert.equal(undo(history), history);
  history = redo(history);
  assert.equal(history.present, 2);
  history = step(history, 9);
  assert.equal(redo(history), history);
  assert.deepEqual(history.past, [1, 2]);
});

test('a restarted engine gets the scene instead of a source, and a source instead of the scene', () => {
  const settings = { width: 1280, height: 720, fps: 30, kbps: 3000, gopSeconds: 2 };
  const done = { type: 'done' } as const;
  const scene = JSON.stringify(empty);
  const start = { type: 'start_capture', sourceId: 'a', settings, cursor: true } as const;
  const show = { type: 'set_scene', scene, transition: { kind: 'fade', ms: 300 }, settings, cursor: true } as const;
  const shown = remember(remember(emptySession, start, done), show, done);
  assert.deepEqual(replay(shown).slice(1), [{ ...show, transition: { kind: 'cut' } }]);
  assert.deepEqual(replay(remember(shown, start, done)).slice(1), [start]);
  assert.equal(replay(remember(shown, { type: 'stop_capture' }, done)).length, 1);
  const faster = remember(shown, { type: 'set_frame_rate', fps: 60 }, done);
  assert.equal(faster.scene?.settings.fps, 60);
});
