/**
 * The destinations that the user keeps: how they are remembered, checked, and told to the engine. Pure.
 *
 * A key is never part of one: it lives in the key store of main, under the destination's id.
 */
import type { Destination } from './model';
import { fields, flag, oneOf, optional, Refused, text } from './parse';
import services from './services.json';

export const SAVED_KINDS = ['rtmp', 'srt', 'whip', 'backend', 'mpeg_ts', 'rtp'] as const;
export type SavedKind = (typeof SAVED_KINDS)[number];

/** The row that is always there: the server inside this computer. */
export const LOCAL_ID = 'local';
/** More would fit on no screen, and on no uplink. */
export const MOST_DESTINATIONS = 24;

export interface SavedDestination {
  id: string;
  name: string;
  kind: SavedKind;
  /** Without the key, where it can be told apart. */
  url: string;
  /** Goes live with the others. */
  on: boolean;
  /** The further canvas that it takes; absent: the main one. */
  canvas?: string;
  /** WHIP: the picture is offered in smaller sizes, too; absent: it is not. */
  simulcast?: boolean;
}

/** As the page sees it: without the key, but with whether there is one. */
export interface PublicDestination extends SavedDestination {
  hasKey: boolean;
  /** RTP: the description that players open. */
  sdpFile?: string;
}

/** What the user has typed; without an id it is a new one. An absent key leaves the saved one as it is. */
export interface DestinationDraft {
  id?: string;
  name: string;
  kind: SavedKind;
  url: string;
  key?: string;
  canvas?: string;
  simulcast?: boolean;
}

export interface Service {
  name: string;
  kind: SavedKind;
  servers: ReadonlyArray<{ name: string; url: string }>;
  /** Where the user finds the key. */
  keyPage?: string;
}

const SCHEMES: { readonly [Kind in SavedKind]: RegExp } = {
  rtmp: /^rtmps?:\/\/[^\s/]+\/[^\s]+/i,
  srt: /^srt:\/\/[^\s/]*:\d+/i,
  mpeg_ts: /^(udp|tcp):\/\/[^\s/]+:\d+/i,
  rtp: /^rtp:\/\/[^\s/]+:\d+/i,
  whip: /^https?:\/\/[^\s/]+/i,
  backend: /^wss?:\/\/[^\s/]+/i,
};

export function isAddress(kind: SavedKind, url: string): boolean {
  return SCHEMES[kind].test(url.trim());
}

/** The services that are offered by name. */
export function knownServices(): readonly Service[] {
  return services.services.map((service) => ({ ...service, kind: oneOf(service.kind, 'service.kind', SAVED_KINDS) }));
}

export function savedDestination(value: unknown, path: string): SavedDestination {
  const f = fields(value, path);
  return {
    id: identifier(f.id, `${path}.id`),
    name: text(f.name, `${path}.name`, 100),
    kind: oneOf(f.kind, `${path}.kind`, SAVED_KINDS),
    url: text(f.url, `${path}.url`, 2048),
    on: flag(f.on, `${path}.on`),
    canvas: optional(f.canvas, `${path}.canvas`, identifier),
    simulcast: optional(f.simulcast, `${path}.simulcast`, flag),
  };
}

export function savedDestinations(value: unknown, path: string): SavedDestination[] {
  if (!Array.isArray(value) || value.length > MOST_DESTINATIONS) throw new Refused(path, `a list of at most ${MOST_DESTINATIONS}`);
  return value.map((each, at) => savedDestination(each, `${path}[${at}]`));
}

export function identifier(value: unknown, path: string): string {
  const found = text(value, path, 64);
  if (!/^[a-z0-9-]+$/.test(found)) throw new Refused(path, 'a destination’s id');
  return found;
}

export function destinationDraft(value: unknown, path: string): DestinationDraft {
  const f = fields(value, path);
  const kind = oneOf(f.kind, `${path}.kind`, SAVED_KINDS);
  const url = text(f.url, `${path}.url`, 2048).trim();
  if (!isAddress(kind, url)) throw new Refused(`${path}.url`, 'an address of that kind');
  return {
    id: optional(f.id, `${path}.id`, identifier),
    name: text(f.name, `${path}.name`, 100).trim(),
    kind,
    url,
    key: optional(f.key, `${path}.key`, (v, p) => text(v, p, 2048)),
    canvas: optional(f.canvas, `${path}.canvas`, identifier),
    simulcast: optional(f.simulcast, `${path}.simulcast`, flag),
  };
}

/** Kinds that know no key. */
export function takesKey(kind: SavedKind): boolean {
  return kind !== 'mpeg_ts' && kind !== 'rtp';
}

/** The name of an RTP destination's description, which every system can keep: from its own name, else its host. */
export function sdpName(destination: Pick<SavedDestination, 'name' | 'url'>): string {
  const wanted = destination.name === '' ? hostOf(destination.url) : destination.name;
  const kept = wanted.replace(/[^\p{L}\p{N} _-]+/gu, '-').replace(/^[-\s]+|[-\s]+$/g, '');
  return `Tidecast ${kept === '' ? 'RTP' : kept}.sdp`;
}

/** As the engine takes it; `sdpFile` is where RTP's description goes. */
export function toEngine(destination: Pick<SavedDestination, 'kind' | 'url' | 'simulcast'>, key: string | undefined, sdpFile?: string): Destination {
  const given = key === undefined || key === '' ? {} : { key };
  switch (destination.kind) {
    case 'whip':
      return { kind: 'whip', url: destination.url, ...given, simulcast: destination.simulcast === true };
    case 'backend':
      return { kind: 'backend', url: destination.url, ...given };
    case 'rtmp':
      return { kind: 'rtmp', url: destination.url, ...given, preferOpus: false };
    case 'srt':
      // The stream id stands in the address; what is secret is the passphrase.
      return { kind: 'srt', url: destination.url, ...(key === undefined || key === '' ? {} : { passphrase: key }) };
    case 'mpeg_ts':
      return { kind: 'mpeg_ts', url: destination.url };
    case 'rtp':
      return { kind: 'rtp', url: destination.url, ...(sdpFile === undefined ? {} : { sdpFile }) };
  }
}

/** The host, for showing: paths and queries may hold keys. */
export function hostOf(address: string): string {
  return /^[a-z]+:\/\/(?:[^@/]*@)?([^/?#]+)/i.exec(address.trim())?.[1] ?? '';
}
