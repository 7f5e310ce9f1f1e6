/**
 * The ids of sources that a user describes, as the engine reads them: `kind:body?name=value`, each part escaped where
 * it holds a character that would end it.
 */

/** A part of a screen, pixels, from its left upper corner. */
export interface Part {
  x: number;
  y: number;
  width: number;
  height: number;
}

export type Align = 'left' | 'center' | 'right';

/** The smallest picture that can be encoded. */
const LEAST_SIDE = 16;

function escape(part: string): string {
  return part.replace(/[\u0000-\u001f\u007f%?&=#+]/g, (sign) => `%${sign.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`);
}

export function regionId(monitor: string, part: Part): string {
  return `region:${monitor}:${part.x},${part.y},${part.width},${part.height}`;
}

export function imageId(path: string): string {
  return `image:${escape(path)}`;
}

export function colorId(color: string): string {
  return `color:${color.replace('#', '')}`;
}

export function patternId(): string {
  return 'pattern:bars';
}

export interface TextLook {
  text: string;
  size: number;
  color: string;
  /** Absent: what lies beneath shows through. */
  background?: string;
  align: Align;
  bold: boolean;
}

export function textId(look: TextLook): string {
  const options = [`size=${look.size}`, `color=${look.color.replace('#', '')}`, `align=${look.align}`];
  if (look.background !== undefined) options.push(`background=${look.background.replace('#', '')}`);
  if (look.bold) options.push('bold=1');
  return `text:${escape(look.text)}?${options.join('&')}`;
}

/** The part between two points of a screen, at least as large as a picture must be. */
export function partBetween(one: { x: number; y: number }, other: { x: number; y: number }, screen: { width: number; height: number }): Part {
  const side = (a: number, b: number, most: number): [number, number] => {
    const length = Math.min(Math.max(Math.abs(a - b), LEAST_SIDE), most);
    return [Math.max(0, Math.min(Math.min(a, b), most - length)), length];
  };
  const [x, width] = side(one.x, other.x, screen.width);
  const [y, height] = side(one.y, other.y, screen.height);
  return { x, y, width, height };
}

/** Whether the desktop shares it, and asks its user which screen or window it is. */
export function isShared(id: string): boolean {
  return id.startsWith('wayland:');
}
