/** From a URL of the page to a file of the bundle: what must never lead out of its folder. Pure. */
import * as path from 'path';
import { SCHEME } from './origin';

/** The file of a URL of ours inside `root`, or `undefined` where the URL points anywhere else. */
export function pageFile(root: string, url: string): string | undefined {
  let parsed: URL;
  let name: string;
  try {
    parsed = new URL(url);
    name = decodeURIComponent(parsed.pathname);
  } catch {
    return undefined;
  }
  if (parsed.protocol !== `${SCHEME}:` || parsed.host !== 'app' || name.includes('\0')) return undefined;
  const file = path.normalize(path.join(root, name === '/' ? 'index.html' : name));
  return file.startsWith(root + path.sep) ? file : undefined;
}
