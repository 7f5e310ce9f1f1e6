// Numbers as they are read. Pure.

/** `6.2 Mbit/s`, `128 kbit/s`. */
export function bitrate(kbps: number): string {
  return kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mbit/s` : `${kbps.toFixed(0)} kbit/s`;
}

/** `1.4 GB`, `820 MB`, `12 KB`: powers of ten, as disks are sold. */
export function size(bytes: number): string {
  if (bytes >= 1e12) return `${(bytes / 1e12).toFixed(1)} TB`;
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(bytes >= 1e11 ? 0 : 1)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(bytes >= 1e8 ? 0 : 1)} MB` : `${Math.round(bytes / 1e3)} KB`;
}

/** `1:02:03`, `2:03`. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours > 0 ? `${hours}:` : ''}${hours > 0 ? two(Math.floor(seconds / 60) % 60) : Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}

/** `1.3 %`, `12 %`. */
export function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

/** `340 ms`, `2.1 s`. */
export function duration(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(0)} ms`;
}

/** A chart's line through values, oldest first, the newest at the right edge. `most` values fill it. */
export function chartPath(values: readonly number[], most: number, width: number, height: number, top: number): string {
  const step = width / (most - 1);
  const left = width - step * (values.length - 1);
  return values.map((value, at) => `${at === 0 ? 'M' : 'L'}${(left + at * step).toFixed(1)} ${(height - (Math.min(value, top) / top) * (height - 4) - 2).toFixed(1)}`).join('');
}

/** A round number that is at least so large, for a chart's upper edge: 1, 2 or 5 and zeros. */
export function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= value) ?? 10 * power;
}
