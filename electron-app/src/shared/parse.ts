/**
 * Small readers for values of unknown shape: what every trust boundary (IPC, settings file, WebSocket) is parsed with.
 *
 * Each throws `Refused` with the path of the field that is wrong; none ever repairs a value.
 */

/** A value that does not have the shape that was asked for. */
export class Refused extends Error {
  constructor(path: string, wanted: string) {
    super(`${path}: expected ${wanted}`);
    this.name = 'Refused';
  }
}

export type Fields = { readonly [name: string]: unknown };

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function fields(value: unknown, path: string): Fields {
  if (!isFields(value)) throw new Refused(path, 'an object');
  return value;
}

export function text(value: unknown, path: string, maximum = 4096): string {
  if (typeof value !== 'string') throw new Refused(path, 'a text');
  if (value.length > maximum) throw new Refused(path, `at most ${maximum} characters`);
  return value;
}

export function flag(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw new Refused(path, 'true or false');
  return value;
}

export function number(value: unknown, path: string, minimum: number, maximum: number): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < minimum || value > maximum) {
    throw new Refused(path, `a number from ${minimum} to ${maximum}`);
  }
  return value;
}

export function integer(value: unknown, path: string, minimum: number, maximum: number): number {
  const whole = number(value, path, minimum, maximum);
  if (!Number.isInteger(whole)) throw new Refused(path, 'a whole number');
  return whole;
}

/** One of a closed list of texts. */
export function oneOf<T extends string>(value: unknown, path: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new Refused(path, `one of ${choices.join(', ')}`);
  return found;
}

/** `undefined` and `null` pass as `undefined`; anything else goes through `read`. */
export function optional<T>(value: unknown, path: string, read: (value: unknown, path: string) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value, path);
}
