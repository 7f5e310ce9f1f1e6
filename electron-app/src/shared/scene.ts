/**
 * Scenes as the engine's files have them (`rust-native/crates/scene`), the parser of what is kept or imported, and
 * the edits that a user makes: pure, each gives back a new scene.
 */
import { fields, flag, integer, number, oneOf, optional, Refused, text } from './parse';

export const FITS = ['contain', 'cover', 'stretch'] as const;
export type Fit = (typeof FITS)[number];
export const ROTATIONS = [0, 90, 180, 270] as const;
export type Rotation = (typeof ROTATIONS)[number];

export interface ChromaKey {
  colour: string;
  similarity: number;
  smoothness: number;
  spill: number;
}

export interface SceneItem {
  id: string;
  name: string;
  source: string;
  x: number;
  y: number;
  width: number;
  height: number;
  fit: Fit;
  crop: { left: number; top: number; right: number; bottom: number };
  rotation: Rotation;
  opacity: number;
  visible: boolean;
  chroma_key?: ChromaKey;
}

export interface Scene {
  name: string;
  canvas: { width: number; height: number };
  /** The lowest first. */
  items: SceneItem[];
}

export type Transition = { kind: 'cut' } | { kind: 'fade'; ms: number };

export const CANVASES = {
  '16:9': { width: 1920, height: 1080 },
  '9:16': { width: 1080, height: 1920 },
  '1:1': { width: 1080, height: 1080 },
} as const;

const MOST_SCENES = 64;
const MOST_ITEMS = 64;
const FARTHEST = 32_768;
export const DEFAULT_KEY: ChromaKey = { colour: '#00b140', similarity: 0.16, smoothness: 0.08, spill: 0.1 };

const share = (value: unknown, path: string): number => number(value, path, 0, 1);

function colour(value: unknown, path: string): string {
  const found = text(value, path, 7);
  if (!/^#[0-9a-fA-F]{6}$/.test(found)) throw new Refused(path, 'a colour such as #00b140');
  return found;
}

function chromaKey(value: unknown, path: string): ChromaKey {
  const f = fields(value, path);
  return {
    colour: colour(f.colour, `${path}.colour`),
    similarity: share(f.similarity, `${path}.similarity`),
    smoothness: share(f.smoothness, `${path}.smoothness`),
    spill: share(f.spill, `${path}.spill`),
  };
}

function rotation(value: unknown, path: string): Rotation {
  const found = ROTATIONS.find((degrees) => degrees === value);
  if (found === undefined) throw new Refused(path, '0, 90, 180 or 270');
  return found;
}

function filled(value: unknown, path: string, most: number): string {
  const found = text(value, path, most);
  if (found.trim() === '') throw new Refused(path, 'a text that is not empty');
  return found;
}

function sceneItem(value: unknown, path: string): SceneItem {
  const f = fields(value, path);
  const crop = f.crop === undefined ? {} : fields(f.crop, `${path}.crop`);
  const cut = (side: string): number => (crop[side] === undefined ? 0 : share(crop[side], `${path}.crop.${side}`));
  return {
    id: filled(f.id, `${path}.id`, 64),
    name: f.name === undefined ? '' : text(f.name, `${path}.name`, 256),
    source: filled(f.source, `${path}.source`, 4096),
    x: number(f.x, `${path}.x`, -FARTHEST, FARTHEST),
    y: number(f.y, `${path}.y`, -FARTHEST, FARTHEST),
    width: number(f.width, `${path}.width`, 1, FARTHEST),
    height: number(f.height, `${path}.height`, 1, FARTHEST),
    fit: f.fit === undefined ? 'contain' : oneOf(f.fit, `${path}.fit`, FITS),
    crop: { left: cut('left'), top: cut('top'), right: cut('right'), bottom: cut('bottom') },
    rotation: f.rotation === undefined ? 0 : rotation(f.rotation, `${path}.rotation`),
    opacity: f.opacity === undefined ? 1 : share(f.opacity, `${path}.opacity`),
    visible: f.visible === undefined ? true : flag(f.visible, `${path}.visible`),
    chroma_key: optional(f.chroma_key, `${path}.chroma_key`, chromaKey),
  };
}

function list<T>(value: unknown, path: string, most: number, read: (value: unknown, path: string) => T): T[] {
  if (!Array.isArray(value) || value.length > most) throw new Refused(path, `a list of at most ${most}`);
  return value.map((each: unknown, index) => read(each, `${path}[${index}]`));
}

export function parseScene(value: unknown, path: string): Scene {
  const f = fields(value, path);
  const canvas = fields(f.canvas, `${path}.canvas`);
  const side = (name: 'width' | 'height'): number => {
    const found = integer(canvas[name], `${path}.canvas.${name}`, 16, 7680);
    if (found % 2 !== 0) throw new Refused(`${path}.canvas.${name}`, 'an even number');
    return found;
  };
  return {
    name: filled(f.name, `${path}.name`, 256),
    canvas: { width: side('width'), height: side('height') },
    items: list(f.items ?? [], `${path}.items`, MOST_ITEMS, sceneItem),
  };
}

export function parseScenes(value: unknown, path: string): Scene[] {
  return list(value, path, MOST_SCENES, parseScene);
}

export function parseTransition(value: unknown, path: string): Transition {
  const f = fields(value, path);
  const kind = oneOf(f.kind, `${path}.kind`, ['cut', 'fade']);
  return kind === 'cut' ? { kind } : { kind, ms: integer(f.ms, `${path}.ms`, 1, 10_000) };
}

/** A scene file's text, for the engine's command line and for other machines. */
export function writeSceneFile(scenes: readonly Scene[]): string {
  return `${JSON.stringify({ format: 'tidecast-scenes', version: 1, scenes }, undefined, 2)}\n`;
}

/** The scenes of such a text; throws `Refused` where it is none. */
export function readSceneFile(content: string): Scene[] {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new Refused('file', 'JSON');
  }
  const f = fields(value, 'file');
  oneOf(f.format, 'file.format', ['tidecast-scenes']);
  integer(f.version, 'file.version', 1, 1);
  return parseScenes(f.scenes, 'file.scenes');
}

/** `name`, or with a number behind it where a scene has that name. */
export function freeName(name: string, scenes: readonly Scene[]): string {
  const taken = (wanted: string): boolean => scenes.some((scene) => scene.name === wanted);
  if (!taken(name)) return name;
  let count = 2;
  while (taken(`${name} ${count}`)) count += 1;
  return `${name} ${count}`;
}

function freeId(scene: Scene): string {
  return String(1 + Math.max(0, ...scene.items.map((item) => Number(item.id)).filter((id) => Number.isInteger(id))));
}

export function newItem(id: string, source: string, name: string, canvas: Scene['canvas']): SceneItem {
  return {
    id,
    name,
    source,
    x: 0,
    y: 0,
    width: canvas.width,
    height: canvas.height,
    fit: 'contain',
    crop: { left: 0, top: 0, right: 0, bottom: 0 },
    rotation: 0,
    opacity: 1,
    visible: true,
  };
}

/** On top of the others; the first one fills the canvas, a later one a third of it. */
export function addItem(scene: Scene, source: string, name: string): Scene {
  const item = newItem(freeId(scene), source, name, scene.canvas);
  if (scene.items.length > 0) {
    item.width = Math.round(scene.canvas.width / 3);
    item.height = Math.round(scene.canvas.height / 3);
    item.x = scene.canvas.width - item.width;
    item.y = scene.canvas.height - item.height;
  }
  return { ...scene, items: [...scene.items, item] };
}

export function removeItem(scene: Scene, id: string): Scene {
  return { ...scene, items: scene.items.filter((item) => item.id !== id) };
}

export function changeItem(scene: Scene, id: string, change: Partial<SceneItem>): Scene {
  return { ...scene, items: scene.items.map((item) => (item.id === id ? { ...item, ...change } : item)) };
}

/** One place up (towards the viewer) or down. */
export function raiseItem(scene: Scene, id: string, by: 1 | -1): Scene {
  const from = scene.items.findIndex((item) => item.id === id);
  const to = from + by;
  const item = scene.items[from];
  if (item === undefined || to < 0 || to >= scene.items.length) return scene;
  const items = scene.items.filter((each) => each !== item);
  items.splice(to, 0, item);
  return { ...scene, items };
}

/** To that place in the order, 0 the lowest. */
export function moveItem(scene: Scene, id: string, to: number): Scene {
  const items = movedTo(scene.items, (item) => item.id === id, to);
  return items === scene.items ? scene : { ...scene, items };
}

/** The list with that one at another place; the list itself where nothing moves. */
export function movedTo<T>(all: T[], which: (each: T) => boolean, to: number): T[] {
  const from = all.findIndex(which);
  const each = all[from];
  const place = Math.max(0, Math.min(all.length - 1, to));
  if (each === undefined || place === from) return all;
  const rest = all.filter((_, index) => index !== from);
  rest.splice(place, 0, each);
  return rest;
}

/**
 * The scene on another canvas: what filled the old one fills the new one; the others keep their size beside it, and
 * their distance from the edges that they are near to.
 */
export function withCanvas(scene: Scene, canvas: Scene['canvas']): Scene {
  const { width, height } = scene.canvas;
  if (width === canvas.width && height === canvas.height) return scene;
  const scale = Math.min(canvas.width, canvas.height) / Math.min(width, height);
  /** Where a side of `length` lies on the new canvas: as near to the middle or to an edge as it was. */
  const place = (from: number, length: number, before: number, now: number): number => {
    const room = before - length;
    const share = room > 0 ? from / room : 0;
    return Math.round(share * (now - length * scale));
  };
  const items = scene.items.map((item) => {
    if (item.x === 0 && item.y === 0 && item.width === width && item.height === height) {
      return { ...item, width: canvas.width, height: canvas.height };
    }
    return {
      ...item,
      x: place(item.x, item.width, width, canvas.width),
      y: place(item.y, item.height, height, canvas.height),
      width: Math.max(1, Math.round(item.width * scale)),
      height: Math.max(1, Math.round(item.height * scale)),
    };
  });
  return { ...scene, canvas: { ...canvas }, items };
}

/** The screen fills the canvas, the camera lies in the lower right corner. As `Scene::screen_and_camera` in Rust. */
export function screenAndCamera(name: string, screen: string, camera: string, canvas: Scene['canvas']): Scene {
  const short = Math.min(canvas.width, canvas.height);
  const width = Math.floor(Math.floor((short * 4) / 9) / 2) * 2;
  const height = Math.floor((width * 3) / 4 / 2) * 2;
  const margin = Math.floor(short / 40);
  return {
    name,
    canvas: { ...canvas },
    items: [
      newItem('1', screen, '', canvas),
      {
        ...newItem('2', camera, '', canvas),
        x: canvas.width - width - margin,
        y: canvas.height - height - margin,
        width,
        height,
        fit: 'cover',
      },
    ],
  };
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The nearest of `lines` to any of `edges` within `reach`: how far to move, or nothing. */
function nearest(edges: readonly number[], lines: readonly number[], reach: number): number | undefined {
  let best: number | undefined;
  for (const edge of edges) {
    for (const line of lines) {
      const by = line - edge;
      if (Math.abs(by) <= reach && (best === undefined || Math.abs(by) < Math.abs(best))) best = by;
    }
  }
  return best;
}

/** What a box snaps to: the canvas's edges and middle, and the other items' edges. */
function guides(scene: Scene, id: string): { across: number[]; down: number[] } {
  const { width, height } = scene.canvas;
  const across = [0, width / 2, width];
  const down = [0, height / 2, height];
  for (const item of scene.items) {
    if (item.id === id || !item.visible) continue;
    across.push(item.x, item.x + item.width);
    down.push(item.y, item.y + item.height);
  }
  return { across, down };
}

/** The box moved so that an edge or its middle lies on a guide within `reach` canvas pixels. */
export function snapMove(scene: Scene, id: string, box: Box, reach: number): Box {
  const { across, down } = guides(scene, id);
  const x = nearest([box.x, box.x + box.width / 2, box.x + box.width], across, reach) ?? 0;
  const y = nearest([box.y, box.y + box.height / 2, box.y + box.height], down, reach) ?? 0;
  return { ...box, x: Math.round(box.x + x), y: Math.round(box.y + y) };
}

/** The box scaled from its upper left corner, the aspect kept; its right or lower edge snaps. */
export function snapScale(scene: Scene, id: string, box: Box, aspect: number, reach: number): Box {
  const { across, down } = guides(scene, id);
  let width = Math.max(16, box.width);
  const byX = nearest([box.x + width], across, reach);
  const byY = nearest([box.y + width / aspect], down, reach);
  if (byX !== undefined && (byY === undefined || Math.abs(byX) <= Math.abs(byY * aspect))) width += byX;
  else if (byY !== undefined) width += byY * aspect;
  width = Math.max(16, width);
  return { ...box, width: Math.round(width), height: Math.max(1, Math.round(width / aspect)) };
}

/** What was, what is and what was undone. */
export interface History<T> {
  past: readonly T[];
  present: T;
  future: readonly T[];
}

/** Enough for an evening of arranging; each step is a few kilobytes. */
const MOST_STEPS = 100;

export function begin<T>(present: T): History<T> {
  return { past: [], present, future: [] };
}

export function step<T>(history: History<T>, next: T): History<T> {
  return { past: [...history.past, history.present].slice(-MOST_STEPS), present: next, future: [] };
}

export function undo<T>(history: History<T>): History<T> {
  const last = history.past[history.past.length - 1];
  if (last === undefined) return history;
  return { past: history.past.slice(0, -1), present: last, future: [history.present, ...history.future] };
}

export function redo<T>(history: History<T>): History<T> {
  const next = history.future[0];
  if (next === undefined) return history;
  return { past: [...history.past, history.present], present: next, future: history.future.slice(1) };
}
