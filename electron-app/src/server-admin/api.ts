// What the live server says, and how it is asked: `/api/v1/openapi.json` describes all of it.

export interface Reports {
  viewers: number;
  join_ms_p50: number | null;
  join_ms_p95: number | null;
  freezes_per_hour: number;
  frozen_share: number;
  delay_ms_p50: number | null;
}

/** A quality that viewers may ask for, `source` first. */
export interface Rendition {
  name: string;
  width: number;
  height: number;
  bitrate_kbps: number;
  state: 'idle' | 'running' | 'unavailable';
  /** Why it is not offered. */
  code: string | null;
  /** By WebRTC. */
  viewers: number;
  /** The publisher sends it: nothing makes it here. */
  published: boolean;
}

export interface Stream {
  name: string;
  live: boolean;
  protocol: string | null;
  notice: string | null;
  since_ms: number | null;
  video_codec: string | null;
  audio_codec: string | null;
  width: number | null;
  height: number | null;
  bitrate_kbps: number;
  fps: number;
  publisher_rtt_ms: number | null;
  publisher_loss: number | null;
  /** Empty where there is only what is published. */
  renditions: Rendition[];
  readers: Record<string, number>;
  health: { level: 'offline' | 'good' | 'warning' | 'bad'; reasons: string[] };
  reports: Reports;
}

export interface Session {
  id: string;
  stream: string;
  role: 'publish' | 'view';
  protocol: string;
  address: string;
  since_ms: number;
  key: string | null;
}

export interface Forward {
  stream: string;
  name: string;
  url: string;
  origin: 'configuration' | 'api';
  state: 'waiting' | 'connecting' | 'live' | 'reconnecting' | 'failed';
  code: string | null;
  message: string | null;
  hint: string | null;
  sent_bytes_total: number;
  bitrate_kbps: number;
  reconnects: number;
  dropped_units: number;
  round_trip_ms: number | null;
}

export interface NewForward {
  name: string;
  url: string;
  key?: string;
  passphrase?: string;
}

export interface Alert {
  alert: string;
  kind: 'stream_down' | 'bitrate_low' | 'loss_high' | 'disk_low';
  subject: string;
  state: 'firing' | 'pending' | 'well';
  value: number | null;
  limit: number | null;
  since_ms: number | null;
}

export interface Rule {
  name: string;
  streams: string[];
  place: string;
  split_minutes: number;
  keep_days: number | null;
  keep_gb: number | null;
  recordings: number;
  open: number;
  bytes: number;
  free_bytes: number | null;
  fails: boolean;
}

export interface Recording {
  rule: string;
  stream: string;
  id: string;
  began_ms: number;
  duration_ms: number;
  bytes: number;
  width: number | null;
  height: number | null;
  breaks: number;
  lost_seconds: number;
  open: boolean;
  problem: string | null;
}

export interface Overview {
  at_ms: number;
  version: string;
  draining: boolean;
  streams: Stream[];
  sessions: Session[];
  sessions_total: number;
  forwards: Forward[];
  alerts: Alert[];
  alerts_total: number;
  recordings_version: number;
  log_newest: number;
}

export interface Key {
  id: string;
  stream: string;
  act: 'publish' | 'view';
  label: string;
  created_ms: number;
  expires_ms: number | null;
  most_viewers: number;
}

export interface Line {
  number: number;
  at_ms: number;
  level: string;
  target: string;
  text: string;
  request: string | null;
}

export interface Section {
  name: string;
  settings: { name: string; value: string }[];
}

export interface Status {
  signed_in: boolean;
  set_up: boolean;
  private: boolean;
}

/** A refusal, in the server's stable words. */
export class Refused extends Error {
  constructor(readonly status: number, readonly code: string, readonly wait: number, message: string) {
    super(message);
  }
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(`/api/v1/admin/${path}`, {
    method,
    cache: 'no-store',
    ...(body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Refused(0, 'unreachable', 0, '');
  });
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string };
  throw new Refused(answer.status, problem.code ?? 'unknown', Number(answer.headers.get('Retry-After') ?? 0), problem.detail ?? '');
}

export interface Wish {
  stream: string;
  act: 'publish' | 'view';
  label: string;
  days: number | null;
  most_viewers: number;
}

const placeOf = ({ rule, stream, id }: Recording) => `recordings/${rule}/${stream}/${id}`;

/** A recording's playlist, for a player on this page. */
export const playlistOf = (recording: Recording) => `/api/v1/admin/${placeOf(recording)}/index.m3u8`;

/** A recording as one file; a publisher's return begins another part. */
export const wholeOf = (recording: Recording, part: number) => `/api/v1/admin/${placeOf(recording)}/whole.mp4?part=${part}`;

export const api = {
  status: () => ask<Status>('GET', 'session'),
  signIn: (password: string) => ask<Status>('POST', 'session', { password }),
  signOut: () => ask<void>('DELETE', 'session'),
  history: (stream: string) => ask<{ every_s: number; bitrate_kbps: number[] }>('GET', `streams/${stream}/history`),
  sendAway: (id: string, seconds: number) => ask<{ ended: number }>('POST', `sessions/${id}/send_away`, { keep_out_seconds: seconds }),
  keys: () => ask<{ kept: boolean; keys: Key[] }>('GET', 'keys'),
  makeKey: (wish: Wish) => ask<{ key: Key; secret: string }>('POST', 'keys', wish),
  revokeKey: (id: string) => ask<{ ended: number }>('DELETE', `keys/${id}`),
  addForward: (stream: string, forward: NewForward) => ask<Forward>('POST', `streams/${stream}/forwards`, forward),
  removeForward: (forward: Forward) => ask<void>('DELETE', `streams/${forward.stream}/forwards/${forward.name}`),
  retryForward: (forward: Forward) => ask<void>('POST', `streams/${forward.stream}/forwards/${forward.name}/retry`),
  recordings: () => ask<{ rules: Rule[]; recordings: Recording[] }>('GET', 'recordings'),
  deleteRecording: (recording: Recording) => ask<void>('DELETE', placeOf(recording)),
  log: (words: string, level: string) => ask<{ lines: Line[]; searched: number }>('GET', `log?q=${encodeURIComponent(words)}&level=${level}`),
  settings: () => ask<Section[]>('GET', 'settings'),
};

/** Calls back about once a second until it is closed; `lost` when the connection breaks (the browser tries again). */
export function watch(show: (overview: Overview) => void, lost: () => void): () => void {
  const source = new EventSource('/api/v1/admin/events');
  source.addEventListener('overview', (event) => show(JSON.parse((event as MessageEvent<string>).data) as Overview));
  source.onerror = lost;
  return () => source.close();
}
