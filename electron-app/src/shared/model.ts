/**
 * The engine's vocabulary as JavaScript sees it: commands in, replies and events out.
 *
 * Discriminants are `snake_case`, fields `camelCase`. Imports nothing, does nothing: types only, so that each
 * process can share them. What is parsed at a trust boundary is parsed elsewhere (a type is not a validation).
 */

export type AudioInput = 'microphone' | 'system_sound' | 'all';
export type Reach = 'loopback' | 'network';

/** The encode's settings. */
export interface VideoSettings {
  /** Pixels, even, 16 to 7680. */
  width: number;
  /** Pixels, even, 16 to 4320. */
  height: number;
  /** Pictures per second, 1 to 240. */
  fps: number;
  /** kbit/s, 50 to 100000. */
  kbps: number;
  /** Seconds from one keyframe to the next, 0.25 to 20. */
  gopSeconds: number;
}

export type Destination = { kind: 'local_server' } | { kind: 'whip'; url: string; key?: string };

export type Command =
  | { type: 'list_sources' }
  | { type: 'probe_encoders' }
  | { type: 'select_audio'; microphone?: string; systemSound: boolean }
  | { type: 'start_capture'; sourceId: string; settings: VideoSettings; cursor: boolean }
  | { type: 'stop_capture' }
  | { type: 'change_resolution'; width: number; height: number }
  | { type: 'set_frame_rate'; fps: number }
  | { type: 'set_bitrate'; kbps: number }
  | { type: 'set_gop'; seconds: number }
  | { type: 'mute_audio'; input: AudioInput; muted: boolean }
  | { type: 'set_volume'; input: AudioInput; volume: number }
  | { type: 'start_publish'; destination: Destination }
  | { type: 'stop_publish' }
  | { type: 'start_local_server'; reach: Reach; port: number; viewToken?: string }
  | { type: 'stop_local_server' }
  | { type: 'open_preview' }
  | { type: 'exclude_window'; window?: number }
  | { type: 'stats' };

/** A problem as a user reads it (`message`, `hint`) and a program tells it apart (`code`, stable). */
export interface Problem {
  code: string;
  message: string;
  hint: string;
}

export interface VideoSource {
  id: string;
  /** `"monitor"` or `"window"`. */
  kind: string;
  title: string;
  /** The program that owns the window; empty for a monitor. */
  program: string;
  x: number;
  y: number;
  width: number;
  height: number;
  /** A JPEG of it now, on 127.0.0.1. */
  thumbnailUrl: string;
}

export interface Microphone {
  id: string;
  name: string;
}

export interface Sources {
  video: VideoSource[];
  microphones: Microphone[];
  systemSound: boolean;
  problems: Problem[];
}

export interface RefusedEncoder {
  name: string;
  reason: string;
}

export interface Encoders {
  chosen: string;
  hardware: boolean;
  refused: RefusedEncoder[];
  msPer1080PFrame: number;
  proposal: VideoSettings;
}

export interface LocalServer {
  port: number;
  viewUrl: string;
  loopbackViewUrl: string;
  reach: Reach;
  viewToken: string;
}

/** Where the preview is signalled; the token is good for one connection. */
export interface PreviewEndpoint {
  url: string;
  token: string;
}

export type Reply =
  | { type: 'done' }
  | { type: 'sources'; sources: Sources }
  | { type: 'encoders'; encoders: Encoders }
  | { type: 'local_server'; localServer: LocalServer }
  | { type: 'preview'; preview: PreviewEndpoint }
  | { type: 'stats'; stats: Stats };

export type Outcome = { type: 'ok'; reply: Reply } | { type: 'failed'; problem: Problem };

/** A rectangle of the desktop, pixels. */
export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

export type CaptureState =
  | { kind: 'idle' }
  | { kind: 'capturing' }
  | { kind: 'paused'; code: string }
  | { kind: 'lost'; code: string };

export type PublishState =
  | { kind: 'idle' }
  | { kind: 'connecting' }
  | { kind: 'live'; sinceMs: number }
  | { kind: 'reconnecting'; attempt: number; retryInMs: number; code: string }
  | { kind: 'failed'; code: string };

export interface AudioInputState {
  input: AudioInput;
  active: boolean;
  muted: boolean;
  /** Linear gain, 0 to 4. */
  volume: number;
}

export interface State {
  capture: CaptureState;
  publish: PublishState;
  localServer?: LocalServer;
  settings: VideoSettings;
  sourceId?: string;
  area?: Area;
  audio: AudioInputState[];
  encoder?: string;
  refusedEncoders: RefusedEncoder[];
}

/** The figures of one second. */
export interface Stats {
  fpsCaptured: number;
  fpsEncoded: number;
  fpsDropped: number;
  encoder: string;
  encodeMs: number;
  videoKbps: number;
  sentKbps: number;
  roundTripMs?: number;
  /** Share of packets lost, 0 to 1. */
  loss?: number;
  viewers: number;
  /** dBFS; −120 for silence. */
  audioPeakDb: number;
  cpuCores?: number;
  memoryMib?: number;
}

export type EngineEvent =
  | { type: 'state'; state: State }
  | { type: 'stats'; stats: Stats }
  | { type: 'warning'; problem: Problem }
  | { type: 'error'; problem: Problem };
