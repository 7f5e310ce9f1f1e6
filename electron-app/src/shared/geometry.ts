/** Rectangles of the desktop: does our window lie in what is captured? Pure. */
import type { Area } from './model';

/** A rectangle in the window system's own units (on Linux and Windows: pixels divided by the scale). */
export interface Bounds {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** From the units that Electron gives to desktop pixels. */
export function toPixels(bounds: Bounds, scaleFactor: number): Area {
  return {
    x: Math.round(bounds.x * scaleFactor),
    y: Math.round(bounds.y * scaleFactor),
    width: Math.round(bounds.width * scaleFactor),
    height: Math.round(bounds.height * scaleFactor),
  };
}

/** Whether two rectangles share at least one pixel; one that is empty shares none. */
export function intersects(a: Area, b: Area): boolean {
  return (
    a.width > 0 &&
    a.height > 0 &&
    b.width > 0 &&
    b.height > 0 &&
    a.x < b.x + b.width &&
    b.x < a.x + a.width &&
    a.y < b.y + b.height &&
    b.y < a.y + a.height
  );
}
