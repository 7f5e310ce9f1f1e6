/** Can the system keep our own window out of what is captured? Pure. */

/** Windows 10, version 2004: before it a protected window is captured as a black hole, no better than a mirror. */
const FIRST_WINDOWS_BUILD = 19_041;

/**
 * On Windows by the window's display affinity, on macOS by that and by the engine's own filter. On Linux nothing can:
 * there the preview shows a card while the window lies in the picture. `release` is what `os.release()` gives.
 */
export function isKeptOut(platform: NodeJS.Platform, release: string): boolean {
  if (platform === 'darwin') return true;
  return platform === 'win32' && Number.parseInt(release.split('.')[2] ?? '', 10) >= FIRST_WINDOWS_BUILD;
}
