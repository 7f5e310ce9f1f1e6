/** Parses what the page sends: one parser per call, as a type is not a validation. Pure. */
import { inputPreferences } from '../shared/audio_inputs';
import { canvasDraft } from '../shared/canvases';
import type { CallName, Calls, GoLiveTarget, SettingsChange, VideoChange } from '../shared/contract';
import { profileName } from '../shared/destination_profiles';
import { destinationDraft, identifier } from '../shared/destinations';
import { hotKeyPreferences, keyCode } from '../shared/hot_keys';
import { fields, flag, integer, number, oneOf, optional, Refused, text, type Fields } from '../shared/parse';
import { recordingReaders } from '../shared/recording';
import { parseScene, parseScenes, parseTransition } from '../shared/scene';
import { parseActKeys } from '../shared/act_keys';
import { parseSceneKeys } from '../shared/scene_keys';
import { tuningReaders } from '../shared/tuning';
import { DESTINATION_KINDS, LANGUAGES, sourceId, THEMES, type AudioPreferences } from '../shared/settings';
import { evenPixels, LIMITS } from '../shared/video_settings';

type Parsers = { [Name in CallName]: (args: readonly unknown[]) => Calls[Name]['args'] };

function none(args: readonly unknown[]): [] {
  if (args.length !== 0) throw new Refused('arguments', 'none');
  return [];
}

function one<T>(read: (value: unknown, path: string) => T): (args: readonly unknown[]) => [T] {
  return (args) => {
    if (args.length !== 1) throw new Refused('arguments', 'exactly one');
    return [read(args[0], 'argument')];
  };
}

/** Reads the fields that are there; a name that no reader knows is refused. */
function partial<T extends object>(
  readers: { [Name in keyof T]-?: (value: unknown, path: string) => T[Name] },
): (value: unknown, path: string) => Partial<T> {
  return (value, path) => {
    const given: Fields = fields(value, path);
    for (const name of Object.keys(given)) {
      if (!Object.prototype.hasOwnProperty.call(readers, name)) throw new Refused(`${path}.${name}`, 'no such field');
    }
    const result: Partial<T> = {};
    for (const name in readers) {
      if (given[name] !== undefined) result[name] = readers[name](given[name], `${path}.${name}`);
    }
    return result;
  };
}

/** A WHIP address: only the two schemes that the engine speaks. */
export function whipUrl(value: unknown, path: string): string {
  const found = text(value, path, 2048).trim();
  let url: URL;
  try {
    url = new URL(found);
  } catch {
    throw new Refused(path, 'an address that begins with http:// or https://');
  }
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw new Refused(path, 'an address that begins with http:// or https://');
  }
  return found;
}

function goLiveTarget(value: unknown, path: string): GoLiveTarget {
  const f = fields(value, path);
  const kind = oneOf(f.kind, `${path}.kind`, DESTINATION_KINDS);
  if (kind !== 'whip') return { kind };
  return {
    kind,
    url: whipUrl(f.url, `${path}.url`),
    key: optional(f.key, `${path}.key`, (v, p) => text(v, p, 2048)),
    useSavedKey: flag(f.useSavedKey, `${path}.useSavedKey`),
    keepKey: flag(f.keepKey, `${path}.keepKey`),
    simulcast: optional(f.simulcast, `${path}.simulcast`, flag),
  };
}

const gain = (value: unknown, path: string): number => number(value, path, 0, 4);

const videoChange = partial<Required<VideoChange>>({
  width: (v, p) => evenPixels(v, p, LIMITS.width),
  height: (v, p) => evenPixels(v, p, LIMITS.height),
  fps: (v, p) => integer(v, p, LIMITS.fps.min, LIMITS.fps.max),
  kbps: (v, p) => integer(v, p, LIMITS.kbps.min, LIMITS.kbps.max),
  gopSeconds: (v, p) => number(v, p, LIMITS.gopSeconds.min, LIMITS.gopSeconds.max),
});

const audioChange = partial<Required<AudioPreferences>>({
  // The empty text stands for "no microphone": `undefined` would mean "as it was".
  microphone: (v, p) => text(v, p, 512),
  systemSound: flag,
  microphoneMuted: flag,
  systemMuted: flag,
  microphoneVolume: gain,
  systemVolume: gain,
  inputs: inputPreferences,
  // The empty text stands for "nowhere".
  headphones: (v, p) => text(v, p, 512),
  hotKeys: hotKeyPreferences,
});

const settingsChange = partial<Required<SettingsChange>>({
  language: (v, p) => oneOf(v, p, LANGUAGES),
  theme: (v, p) => oneOf(v, p, THEMES),
  cursor: flag,
  destination: (v, p) => oneOf(v, p, DESTINATION_KINDS),
  whipUrl: (v, p) => text(v, p, 2048),
  whipSimulcast: flag,
  scenes: parseScenes,
  transition: parseTransition,
  sceneKeys: parseSceneKeys,
  actKeys: parseActKeys,
  localInList: flag,
});

export const parsers: Parsers = {
  bootstrap: none,
  listSources: none,
  probeEncoders: none,
  addSource: one(sourceId),
  removeSource: one(sourceId),
  choosePicture: none,
  startCapture: one(sourceId),
  showScene: (args) => {
    if (args.length !== 2) throw new Refused('arguments', 'exactly two');
    return [parseScene(args[0], 'scene'), parseTransition(args[1], 'transition')];
  },
  stopCapture: none,
  changeVideo: one(videoChange),
  changeTuning: one(partial(tuningReaders)),
  changeAudio: one(audioChange),
  pressKey: one((value, path) => {
    const f = fields(value, path);
    return { code: keyCode(f.code, `${path}.code`), down: flag(f.down, `${path}.down`) };
  }),
  goLive: one(goLiveTarget),
  endLive: none,
  saveCanvas: (args) => {
    if (args.length !== 2) throw new Refused('arguments', 'exactly two');
    return [canvasDraft(args[0], 'canvas'), flag(args[1], 'force')];
  },
  removeCanvas: one(identifier),
  canvasCost: one(canvasDraft),
  simulcastCost: one((value, path) => optional(value, path, identifier)),
  saveDestination: one(destinationDraft),
  removeDestination: one(identifier),
  switchDestination: one((value, path) => {
    const f = fields(value, path);
    return { id: identifier(f.id, `${path}.id`), on: flag(f.on, `${path}.on`) };
  }),
  retryDestination: one(identifier),
  testDestination: one(destinationDraft),
  choosePrimary: one(identifier),
  saveProfile: one(profileName),
  removeProfile: one(identifier),
  pickProfile: one(identifier),
  startRecording: none,
  stopRecording: none,
  pauseRecording: one(flag),
  addChapter: one((v, p) => text(v, p, 200)),
  saveReplay: none,
  changeRecording: one(partial(recordingReaders)),
  chooseRecordingFolder: none,
  showSaved: one(text),
  openPreview: none,
  changeSettings: one(settingsChange),
  forgetWhipKey: none,
  copyViewLink: none,
  copyDiagnostics: none,
  restartEngine: none,
  answerQuit: one(flag),
};
