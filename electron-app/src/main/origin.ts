/** The page's address, its policy, and who counts as it. Pure. */

export const SCHEME = 'tidecast';
/** The page's origin, which the engine's local endpoint is told to accept. */
export const ORIGIN = `${SCHEME}://app`;
export const PAGE_URL = `${ORIGIN}/index.html`;

/**
 * Starts from nothing. Thumbnails and the preview's signalling come from the engine on 127.0.0.1, at a port that it
 * chooses; WebRTC media is not subject to the policy.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' http://127.0.0.1:* data:",
  'media-src blob: mediastream:',
  'connect-src ws://127.0.0.1:*',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Whether a message comes from our own page: its top frame, at our origin. */
export function isOwnPage(sender: { url: string; isTopFrame: boolean }): boolean {
  return sender.isTopFrame && (sender.url === ORIGIN || sender.url.startsWith(`${ORIGIN}/`));
}
