/**
 * IPC, typed once: each channel with its arguments and result. Main, preload and renderer derive their sides from it.
 */
import type { CanvasDraft } from './canvases';
import type { DestinationDraft, PublicDestination } from './destinations';
import type {
  Area,
  CanvasCost,
  CanvasState,
  CaptureState,
  DestinationState,
  Encoders,
  PreviewEndpoint,
  Problem,
  PublishState,
  RecordingState,
  Sources,
  State,
  Stats,
  Tuning,
  VideoSettings,
  VideoSource,
} from './model';
import type { RecordingChange } from './recording';
import type { Scene, Transition } from './scene';
import type { ActKey } from './act_keys';
import type { SceneKey } from './scene_keys';
import type { AudioPreferences, DestinationKind, Language, Settings, Theme } from './settings';
import type { NamedSource } from './source_names';

/** How a call ended: nothing rejects over IPC, a failure is a value. */
export type Answer<T> = { ok: true; value: T } | { ok: false; problem: Problem };

/** What the engine is running on, as a user sees it. */
export type HostStatus =
  | { kind: 'starting' }
  | { kind: 'running' }
  /** It died; the session is being brought back. */
  | { kind: 'restarting'; attempt: number }
  | { kind: 'failed'; problem: Problem };

/** Things that happened which are told once. */
export type Notice =
  | { kind: 'engine_restarted' }
  | { kind: 'view_link_changed' }
  /** A recording or a replay is complete on disk. */
  | { kind: 'saved'; file: string }
  /** The engine died while it wrote this file. */
  | { kind: 'recording_interrupted'; file: string }
  | { kind: 'settings_corrupt'; keptAs: string }
  | { kind: 'settings_not_saved' }
  /** One source of a scene was lost, or rests; the others go on. */
  | { kind: 'source_warning'; source: NamedSource; problem: Problem }
  | { kind: 'warning'; problem: Problem }
  | { kind: 'error'; problem: Problem };

/** The engine's state without what the page has no use for (tokens apart from the link that is shown). */
export interface StateView {
  capture: CaptureState;
  publish: PublishState;
  settings: VideoSettings;
  sourceId?: string;
  /** The live scene's name, where a scene was started. */
  scene?: string;
  sources: State['sources'];
  area?: Area;
  audio: State['audio'];
  /** Why hot keys act in this window only, where they do. */
  hotKeysProblem?: Problem;
  encoder?: string;
  /** A still screen is encoded at the full rate, too. */
  constantRate: boolean;
  refusedEncoders: State['refusedEncoders'];
  /** The page for viewers, while it can be reached. */
  viewLink?: { url: string; loopbackUrl: string; reach: 'loopback' | 'network' };
  /** Where the running publication goes. */
  publishingTo?: DestinationKind;
  /** The places of the list that the engine knows: how each is doing. */
  destinations: DestinationState[];
  /** Further canvases. */
  canvases: CanvasState[];
  recording?: RecordingState;
  /** The last seconds are kept. */
  replay: boolean;
}

export interface PublicSettings extends Omit<Settings, 'sealedWhipKey' | 'destinations'> {
  hasSavedWhipKey: boolean;
  /** Hot keys that belong to another program now, as they are written in `sceneKeys` and `actKeys`. */
  takenKeys: string[];
  /** Where recordings go now. */
  recordingFolder: string;
  destinations: PublicDestination[];
}

export interface Versions {
  app: string;
  electron: string;
  chromium: string;
  node: string;
  platform: string;
}

export interface Bootstrap {
  settings: PublicSettings;
  language: Language;
  versions: Versions;
  /** The runtime is too old for daily use. */
  oldRuntime: boolean;
  /** Scenes' hot keys are asked of the desktop, as the sound's are: `hotKeysProblem` is theirs too. */
  desktopKeys: boolean;
  /** A key can be kept, sealed by the system, between two runs. */
  canKeepSecrets: boolean;
  host: HostStatus;
  state?: StateView;
  stats?: Stats;
  encoders?: Encoders;
  /** Our window lies in what is captured. */
  mirrored: boolean;
  /** Notices that came before the page could listen. */
  notices: Notice[];
}

/** Where the user wants to go live. A missing key means: the saved one, if `useSavedKey`. */
export type GoLiveTarget =
  | { kind: 'local' }
  /** Every place of the list that is switched on. */
  | { kind: 'list' }
  | { kind: 'whip'; url: string; key?: string; useSavedKey: boolean; keepKey: boolean; simulcast?: boolean };

/** Video settings, one or several at once. */
export type VideoChange = Partial<VideoSettings>;

export interface SettingsChange {
  language?: Language;
  theme?: Theme;
  cursor?: boolean;
  destination?: DestinationKind;
  whipUrl?: string;
  whipSimulcast?: boolean;
  scenes?: Scene[];
  transition?: Transition;
  sceneKeys?: SceneKey[];
  actKeys?: ActKey[];
  localInList?: boolean;
}

/** Calls from the page to main. */
export interface Calls {
  bootstrap: { args: []; result: Bootstrap };
  listSources: { args: []; result: Sources };
  probeEncoders: { args: []; result: Encoders };
  /** A source that the user describes is tried, kept in the list, and given back. */
  addSource: { args: [id: string]; result: VideoSource };
  removeSource: { args: [id: string]; result: void };
  /** Asks the user for a picture file; nothing where none was chosen. */
  choosePicture: { args: []; result: { path: string } | null };
  startCapture: { args: [sourceId: string]; result: void };
  /** Starts with a scene, or goes over to it. */
  showScene: { args: [scene: Scene, transition: Transition]; result: void };
  stopCapture: { args: []; result: void };
  changeVideo: { args: [change: VideoChange]; result: void };
  /** What the engine may change by itself; acts at once, and is remembered. */
  changeTuning: { args: [change: Partial<Tuning>]; result: void };
  changeAudio: { args: [change: Partial<AudioPreferences>]; result: void };
  /** A key of this window, where the system shows no others. */
  pressKey: { args: [press: { code: string; down: boolean }]; result: void };
  goLive: { args: [target: GoLiveTarget]; result: void };
  endLive: { args: []; result: void };
  /** Acts at once, and is remembered; without `force` it is refused where the machine has no room. */
  saveCanvas: { args: [draft: CanvasDraft, force: boolean]; result: void };
  removeCanvas: { args: [id: string]; result: void };
  canvasCost: { args: [draft: CanvasDraft]; result: CanvasCost };
  /** Of the smaller sizes of that canvas; an absent name is the main one. */
  simulcastCost: { args: [canvas: string | undefined]; result: CanvasCost };
  saveDestination: { args: [draft: DestinationDraft]; result: void };
  removeDestination: { args: [id: string]; result: void };
  /** Remembered; acts at once while live. */
  switchDestination: { args: [change: { id: string; on: boolean }]; result: void };
  retryDestination: { args: [id: string]; result: void };
  testDestination: { args: [draft: DestinationDraft]; result: void };
  choosePrimary: { args: [id: string]; result: void };
  /** What is on now, under this name; one of the same name is replaced. */
  saveProfile: { args: [name: string]; result: void };
  removeProfile: { args: [id: string]; result: void };
  /** Switches the list to what the profile says; acts at once while live. */
  pickProfile: { args: [id: string]; result: void };
  startRecording: { args: []; result: void };
  stopRecording: { args: []; result: void };
  pauseRecording: { args: [paused: boolean]; result: void };
  addChapter: { args: [title: string]; result: void };
  saveReplay: { args: []; result: void };
  /** Remembered; the replay buffer follows at once, the rest with the next recording. */
  changeRecording: { args: [change: RecordingChange]; result: void };
  /** Asks the user for a folder. */
  chooseRecordingFolder: { args: []; result: void };
  /** A file that was saved in this run, in the system's file manager. */
  showSaved: { args: [file: string]; result: void };
  openPreview: { args: []; result: PreviewEndpoint };
  changeSettings: { args: [change: SettingsChange]; result: void };
  forgetWhipKey: { args: []; result: void };
  copyViewLink: { args: []; result: void };
  copyDiagnostics: { args: []; result: void };
  restartEngine: { args: []; result: void };
  answerQuit: { args: [quit: boolean]; result: void };
}

/** Messages from main to the page. */
export interface Messages {
  state: StateView;
  stats: Stats;
  encoders: Encoders;
  host: HostStatus;
  settings: PublicSettings;
  notice: Notice;
  mirrored: boolean;
  /** The user wants to quit while live: the page asks, and calls `answerQuit`. */
  askQuit: null;
  /** A hot key that shows a scene or does an act was pressed, in whatever program: its id. */
  hotKey: string;
}

export type CallName = keyof Calls;
export type MessageName = keyof Messages;

/** What the preload script puts at `window.tidecast`: named functions only. */
export type Bridge = {
  [Name in CallName]: (...args: Calls[Name]['args']) => Promise<Answer<Calls[Name]['result']>>;
} & {
  /** Each returns a function that ends the subscription. */
  onState(listener: (state: StateView) => void): () => void;
  onStats(listener: (stats: Stats) => void): () => void;
  onEncoders(listener: (encoders: Encoders) => void): () => void;
  onHost(listener: (host: HostStatus) => void): () => void;
  onSettings(listener: (settings: PublicSettings) => void): () => void;
  onNotice(listener: (notice: Notice) => void): () => void;
  onMirrored(listener: (mirrored: boolean) => void): () => void;
  onAskQuit(listener: () => void): () => void;
  onHotKey(listener: (id: string) => void): () => void;
};

export const CHANNEL_PREFIX = 'tidecast:';

export function channelOf(name: CallName | MessageName): string {
  return CHANNEL_PREFIX + name;
}
