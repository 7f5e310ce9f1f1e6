/**
 * Takes secrets out of what is shown, logged or copied: tokens, keys, and all of a URL but its scheme and host.
 *
 * A field whose name sounds like a secret is replaced whole; every URL in any text is cut down, as keys like to hide
 * in paths and queries.
 */

const SECRET_NAME = /(token|key|secret|password|passphrase|authorization|sealed|credential)/i;
const URL_IN_TEXT = /\b([a-z][a-z0-9+.-]*):\/\/([^\s"'<>]+)/gi;
const BEARER = /\b(bearer)\s+[^\s"',;]+/gi;

export const MASK = '***';

/** `https://user:key@host:1/live/abc?x=1` → `https://host:1/***`. */
export function redactText(value: string): string {
  return value
    .replace(URL_IN_TEXT, (_all, scheme: string, rest: string) => {
      const end = rest.search(/[/?#]/);
      const authority = end < 0 ? rest : rest.slice(0, end);
      const host = authority.slice(authority.lastIndexOf('@') + 1);
      return end < 0 ? `${scheme}://${host}` : `${scheme}://${host}/${MASK}`;
    })
    .replace(BEARER, (_all, word: string) => `${word} ${MASK}`);
}

/** A deep copy without secrets; what is not plain data (functions, symbols) becomes `null`. */
export function redact(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return value;
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object') return null;
  const copy: { [name: string]: unknown } = {};
  for (const [name, inner] of Object.entries(value)) {
    const secret = SECRET_NAME.test(name) && typeof inner !== 'boolean' && inner !== undefined && inner !== null;
    copy[name] = secret ? MASK : redact(inner);
  }
  return copy;
}
