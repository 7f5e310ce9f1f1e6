/** Serves the page's files at `tidecast://app/…`, and nothing else. */
import { protocol } from 'electron';
import * as fs from 'fs';
import * as path from 'path';
import { CONTENT_SECURITY_POLICY, SCHEME } from './origin';
import { pageFile } from './page_file';

const MIME: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** Must run before the app is ready. */
export function declareScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

function read(root: string, url: string): { bytes: Buffer; mime: string } | undefined {
  const file = pageFile(root, url);
  const mime = file === undefined ? undefined : MIME[path.extname(file)];
  if (file === undefined || mime === undefined) return undefined;
  try {
    return { bytes: fs.readFileSync(file), mime };
  } catch {
    return undefined;
  }
}

/** What Electron before 25 has instead of `protocol.handle`; its types are gone. */
interface OldProtocol {
  registerBufferProtocol(
    scheme: string,
    handler: (
      request: { url: string },
      callback: (answer: { statusCode?: number; mimeType?: string; data: Buffer; headers?: object }) => void,
    ) => void,
  ): void;
}

function isOld(candidate: object): candidate is OldProtocol {
  return !('handle' in candidate);
}

/** After the app is ready, before the first window. */
export function servePage(root: string): void {
  if (isOld(protocol)) {
    protocol.registerBufferProtocol(SCHEME, (request, callback) => {
      const found = read(root, request.url);
      if (found === undefined) callback({ statusCode: 404, mimeType: 'text/plain', data: Buffer.from('not found') });
      else callback({ mimeType: found.mime.split(';')[0], data: found.bytes, headers: HEADERS });
    });
    return;
  }
  protocol.handle(SCHEME, (request) => {
    const found = read(root, request.url);
    if (found === undefined) return new Response('not found', { status: 404 });
    return new Response(new Uint8Array(found.bytes), { headers: { ...HEADERS, 'content-type': found.mime } });
  });
}
