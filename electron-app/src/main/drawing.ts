/**
 * Whether Chromium may draw the window with OpenGL.
 *
 * On Linux without a GPU that is OpenGL in software (llvmpipe), which Chromium does not refuse: a preview of 720p30 then
 * takes 85 % of a core in all, and 46 % where Chromium draws by itself (Electron 9, two cores, the engine's 10 % in both).
 */
import * as fs from 'fs';

/** Nodes of a GPU: the kernel's render nodes, NVIDIA's own driver, Windows' GPU inside WSL. */
const GPU_NODE = /^(dri\/renderD\d+|nvidia\d+|dxg)$/;

/** `nodes`: names below /dev. Whoever chooses an OpenGL by Chromium's own switch `--use-gl` gets it. */
export function drawsWithoutOpenGl(platform: NodeJS.Platform, nodes: readonly string[], argv: readonly string[]): boolean {
  if (platform !== 'linux' || argv.some((word) => word.startsWith('--use-gl'))) return false;
  return !nodes.some((node) => GPU_NODE.test(node));
}

/** What lies in /dev and /dev/dri, by its name below /dev. */
export function deviceNodes(): string[] {
  const list = (folder: string): string[] => {
    try {
      return fs.readdirSync(folder);
    } catch {
      return [];
    }
  };
  return [...list('/dev'), ...list('/dev/dri').map((name) => `dri/${name}`)];
}
