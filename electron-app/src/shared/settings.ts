/**
 * What the app remembers between two runs, and the parser of its file.
 *
 * A wrong file is refused whole: the caller keeps it aside and starts from the defaults. Secrets are not in here in
 * the clear: `sealedWhipKey` is what the system's secure storage made of the key, and is absent where there is none.
 */
import { inputPreferences, type InputPreferences } from './audio_inputs';
import { MOST_CANVASES, savedCanvases, type SavedCanvas } from './canvases';
import { destinationProfiles, type DestinationProfile } from './destination_profiles';
import { identifier, savedDestinations, type SavedDestination } from './destinations';
import { hotKeyPreferences, type HotKeyPreference } from './hot_keys';
import type { Tuning, VideoSettings } from './model';
import { fields, flag, number, oneOf, optional, Refused, text, integer } from './parse';
import { DEFAULT_RECORDING, recordingPreferences, type RecordingPreferences } from './recording';
import { parseScenes, parseTransition, type Scene, type Transition } from './scene';
import { parseActKeys, type ActKey } from './act_keys';
import { parseSceneKeys, type SceneKey } from './scene_keys';
import { tuning } from './tuning';
import { videoSettings } from './video_settings';

export const LANGUAGES = ['en', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];
export const THEMES = ['system', 'dark', 'light'] as const;
export type Theme = (typeof THEMES)[number];
export const DESTINATION_KINDS = ['local', 'whip', 'list'] as const;
export type DestinationKind = (typeof DESTINATION_KINDS)[number];

export interface AudioPreferences {
  /** A microphone's id; absent: none is opened. */
  microphone?: string;
  systemSound: boolean;
  microphoneMuted: boolean;
  systemMuted: boolean;
  /** Linear gain, 0 to 4. */
  microphoneVolume: number;
  systemVolume: number;
  /** Further inputs, and what the two have beyond volume and mute; absent: none. */
  inputs?: InputPreferences[];
  /** Where the monitored inputs are played to; absent or empty: nowhere. */
  headphones?: string;
  /** Keys to talk and to mute; absent: none. */
  hotKeys?: HotKeyPreference[];
}

export interface Settings {
  version: 1;
  /** Absent: the system's language decides. */
  language?: Language;
  theme: Theme;
  /** Absent until the first measurement or the first choice: then the engine proposes. */
  video?: VideoSettings;
  cursor: boolean;
  audio: AudioPreferences;
  destination: DestinationKind;
  whipUrl: string;
  /** That address is offered the picture in smaller sizes, too; absent: it is not. */
  whipSimulcast?: boolean;
  /** Sources that the user made (a region, a text, …), by their ids. */
  ownSources: string[];
  /** The lasting id of the source that was captured last. */
  lastSource?: string;
  /** Base64 of the sealed key. */
  sealedWhipKey?: string;
  /** The list: several places at once. */
  destinations: SavedDestination[];
  /** The list's row for this computer's own server is on. */
  localInList: boolean;
  /** Owns the encode's bitrate; absent: the first that runs. */
  primaryDestination?: string;
  /** As that, for further canvases: one for each at the most; absent: none. */
  canvasPrimaries?: readonly string[];
  /** Named choices among the list; absent: none. */
  destinationProfiles?: DestinationProfile[];
  /** Pictures beside the main one; absent: none. */
  canvases?: SavedCanvas[];
  window?: { width: number; height: number };
  /** What the user arranged; absent until the first scene. */
  scenes?: Scene[];
  /** How one scene follows another. */
  transition?: Transition;
  /** Keys that show a scene from anywhere. */
  sceneKeys?: SceneKey[];
  actKeys?: ActKey[];
  recording: RecordingPreferences;
  /** Absent: the default. */
  tuning?: Tuning;
}

export function defaultSettings(): Settings {
  return {
    version: 1,
    theme: 'system',
    cursor: true,
    audio: {
      systemSound: true,
      microphoneMuted: false,
      systemMuted: false,
      microphoneVolume: 1,
      systemVolume: 1,
    },
    destination: 'local',
    whipUrl: '',
    ownSources: [],
    destinations: [],
    localInList: true,
    recording: DEFAULT_RECORDING,
  };
}

const gain = (value: unknown, path: string): number => number(value, path, 0, 4);

export function audioPreferences(value: unknown, path: string): AudioPreferences {
  const f = fields(value, path);
  return {
    microphone: optional(f.microphone, `${path}.microphone`, (v, p) => text(v, p, 512)),
    systemSound: flag(f.systemSound, `${path}.systemSound`),
    microphoneMuted: flag(f.microphoneMuted, `${path}.microphoneMuted`),
    systemMuted: flag(f.systemMuted, `${path}.systemMuted`),
    microphoneVolume: gain(f.microphoneVolume, `${path}.microphoneVolume`),
    systemVolume: gain(f.systemVolume, `${path}.systemVolume`),
    inputs: optional(f.inputs, `${path}.inputs`, inputPreferences),
    headphones: optional(f.headphones, `${path}.headphones`, (v, p) => text(v, p, 512)),
    hotKeys: optional(f.hotKeys, `${path}.hotKeys`, hotKeyPreferences),
  };
}

/** The longest text, each character of it escaped, and some options. */
const MOST_ID = 40_000;
/** As many as a list can show in good order. */
const MOST_OWN_SOURCES = 100;

export function sourceId(value: unknown, path: string): string {
  const id = text(value, path, MOST_ID);
  if (id === '') throw new Refused(path, 'an id');
  return id;
}

export function sourceIds(value: unknown, path: string): string[] {
  if (!Array.isArray(value) || value.length > MOST_OWN_SOURCES) throw new Refused(path, `at most ${MOST_OWN_SOURCES} ids`);
  return value.map((id: unknown, index) => sourceId(id, `${path}[${index}]`));
}

function identifiers(value: unknown, path: string): string[] {
  if (!Array.isArray(value) || value.length > MOST_CANVASES) throw new Refused(path, `at most ${MOST_CANVASES} ids`);
  return value.map((id: unknown, index) => identifier(id, `${path}[${index}]`));
}

/** Reads the parsed JSON of a settings file; throws `Refused` where it is not one of ours. */
export function parseSettings(value: unknown): Settings {
  const f = fields(value, 'settings');
  integer(f.version, 'settings.version', 1, 1);
  return {
    version: 1,
    language: optional(f.language, 'settings.language', (v, p) => oneOf(v, p, LANGUAGES)),
    theme: oneOf(f.theme, 'settings.theme', THEMES),
    video: optional(f.video, 'settings.video', videoSettings),
    cursor: flag(f.cursor, 'settings.cursor'),
    audio: audioPreferences(f.audio, 'settings.audio'),
    destination: oneOf(f.destination, 'settings.destination', DESTINATION_KINDS),
    whipUrl: text(f.whipUrl, 'settings.whipUrl', 2048),
    whipSimulcast: optional(f.whipSimulcast, 'settings.whipSimulcast', flag),
    // Absent in files of before there were such sources.
    ownSources: optional(f.ownSources, 'settings.ownSources', sourceIds) ?? [],
    lastSource: optional(f.lastSource, 'settings.lastSource', sourceId),
    sealedWhipKey: optional(f.sealedWhipKey, 'settings.sealedWhipKey', (v, p) => text(v, p, 16_384)),
    // Absent in the files of the first version.
    destinations: optional(f.destinations, 'settings.destinations', savedDestinations) ?? [],
    localInList: optional(f.localInList, 'settings.localInList', flag) ?? true,
    primaryDestination: optional(f.primaryDestination, 'settings.primaryDestination', identifier),
    canvasPrimaries: optional(f.canvasPrimaries, 'settings.canvasPrimaries', identifiers),
    destinationProfiles: optional(f.destinationProfiles, 'settings.destinationProfiles', destinationProfiles),
    canvases: optional(f.canvases, 'settings.canvases', savedCanvases),
    window: optional(f.window, 'settings.window', (v, p) => {
      const size = fields(v, p);
      return {
        width: integer(size.width, `${p}.width`, 640, 16_384),
        height: integer(size.height, `${p}.height`, 480, 16_384),
      };
    }),
    scenes: optional(f.scenes, 'settings.scenes', parseScenes),
    transition: optional(f.transition, 'settings.transition', parseTransition),
    sceneKeys: optional(f.sceneKeys, 'settings.sceneKeys', parseSceneKeys),
    actKeys: optional(f.actKeys, 'settings.actKeys', parseActKeys),
    recording: optional(f.recording, 'settings.recording', recordingPreferences) ?? DEFAULT_RECORDING,
    tuning: optional(f.tuning, 'settings.tuning', tuning),
  };
}
