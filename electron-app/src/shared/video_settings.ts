/** Reads and judges the encode's settings; the limits are the engine's own (control_api's `VideoSettings`). */
import type { VideoSettings } from './model';
import { fields, integer, number, Refused } from './parse';

export const LIMITS = {
  width: { min: 16, max: 7680 },
  height: { min: 16, max: 4320 },
  fps: { min: 1, max: 240 },
  kbps: { min: 50, max: 100_000 },
  gopSeconds: { min: 0.25, max: 20 },
} as const;

/** What is used where neither the user nor a measurement of this machine has said anything. */
export const DEFAULT_VIDEO: VideoSettings = { width: 1280, height: 720, fps: 30, kbps: 3500, gopSeconds: 2 };

export function evenPixels(value: unknown, path: string, limit: { min: number; max: number }): number {
  const pixels = integer(value, path, limit.min, limit.max);
  if (pixels % 2 !== 0) throw new Refused(path, 'an even number');
  return pixels;
}

export function videoSettings(value: unknown, path: string): VideoSettings {
  const f = fields(value, path);
  return {
    width: evenPixels(f.width, `${path}.width`, LIMITS.width),
    height: evenPixels(f.height, `${path}.height`, LIMITS.height),
    fps: integer(f.fps, `${path}.fps`, LIMITS.fps.min, LIMITS.fps.max),
    kbps: integer(f.kbps, `${path}.kbps`, LIMITS.kbps.min, LIMITS.kbps.max),
    gopSeconds: number(f.gopSeconds, `${path}.gopSeconds`, LIMITS.gopSeconds.min, LIMITS.gopSeconds.max),
  };
}
