/** The canvases that the user keeps beside the main one: how they are remembered, checked, and told to the engine. Pure. */
import { identifier } from './destinations';
import { CODECS, DEFAULT_CODEC } from './codecs';
import type { CanvasSettings, Codec } from './model';
import { fields, integer, oneOf, optional, Refused, text } from './parse';
import { CANVASES, newItem, type Scene } from './scene';
import { LIMITS } from './video_settings';

export const SHAPES = ['9:16', '1:1', '16:9'] as const satisfies ReadonlyArray<keyof typeof CANVASES>;
export type Shape = (typeof SHAPES)[number];

/** As many as the engine takes. */
export const MOST_CANVASES = 3;
/** The longest id of a source is the engine's own business; a file with a longer one is not ours. */
const MOST_SOURCE = 40_000;

export interface SavedCanvas {
  id: string;
  name: string;
  /** One of the user's scenes, by its name; it decides the shape. */
  scene?: string;
  /** Or a source that fills it. */
  source?: string;
  shape: Shape;
  /** Pixels of the shorter side. */
  short: number;
  fps: number;
  kbps: number;
  /** As what it is encoded; absent: H.264. */
  codec?: Codec;
}

/** What the user has chosen; without an id it is a new one. */
export type CanvasDraft = Omit<SavedCanvas, 'id'> & { id?: string };

export const DEFAULT_CANVAS: CanvasDraft = { name: '', shape: '9:16', short: 720, fps: 30, kbps: 2500 };

export function canvasDraft(value: unknown, path: string): CanvasDraft {
  const f = fields(value, path);
  const short = integer(f.short, `${path}.short`, LIMITS.height.min, LIMITS.height.max);
  if (short % 2 !== 0) throw new Refused(`${path}.short`, 'an even number');
  return {
    id: optional(f.id, `${path}.id`, identifier),
    name: text(f.name, `${path}.name`, 100).trim(),
    scene: optional(f.scene, `${path}.scene`, (v, p) => text(v, p, 200)),
    source: optional(f.source, `${path}.source`, (v, p) => text(v, p, MOST_SOURCE)),
    shape: oneOf(f.shape, `${path}.shape`, SHAPES),
    short,
    fps: integer(f.fps, `${path}.fps`, LIMITS.fps.min, LIMITS.fps.max),
    kbps: integer(f.kbps, `${path}.kbps`, LIMITS.kbps.min, LIMITS.kbps.max),
    codec: optional(f.codec, `${path}.codec`, (v, p) => oneOf(v, p, CODECS)),
  };
}

export function savedCanvases(value: unknown, path: string): SavedCanvas[] {
  if (!Array.isArray(value) || value.length > MOST_CANVASES) throw new Refused(path, `a list of at most ${MOST_CANVASES}`);
  return value.map((each, at) => {
    const { id, ...rest } = canvasDraft(each, `${path}[${at}]`);
    if (id === undefined) throw new Refused(`${path}[${at}].id`, 'a canvas’s id');
    return { id, ...rest };
  });
}

/** A source that is captured now, and what names it after a restart. */
export interface CapturedSource {
  id: string;
  lastingId: string;
}

/** As the engine takes it; nothing where its scene is gone. What is captured already is shown by that name: once is enough. */
export function toEngine(canvas: CanvasDraft, scenes: readonly Scene[], gopSeconds: number, captured?: CapturedSource): CanvasSettings | undefined {
  const found = sceneOf(canvas, scenes);
  if (found === undefined) return undefined;
  const items = found.items.map((item) => (item.source === captured?.lastingId ? { ...item, source: captured.id } : item));
  const scene: Scene = { ...found, items };
  const { name, short, fps, kbps } = canvas;
  // The engine finds the longer side by the scene's aspect.
  const settings = { width: short, height: short, fps, kbps, gopSeconds };
  return { id: canvas.id ?? 'new', name, scene: JSON.stringify(scene), settings, codec: canvas.codec ?? DEFAULT_CODEC };
}

function sceneOf(canvas: CanvasDraft, scenes: readonly Scene[]): Scene | undefined {
  if (canvas.scene !== undefined) return scenes.find((scene) => scene.name === canvas.scene);
  if (canvas.source === undefined) return undefined;
  const size = CANVASES[canvas.shape];
  return { name: canvas.name === '' ? canvas.shape : canvas.name, canvas: { ...size }, items: [{ ...newItem('1', canvas.source, '', size), fit: 'cover' }] };
}
