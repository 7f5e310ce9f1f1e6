/** How the user wants recordings and replays: what is remembered, how it is read, and what the engine is told. Pure. */
import type { Command, RecordFormat } from './model';
import { fields, flag, integer, oneOf, optional, text } from './parse';

export const RECORD_FORMATS = ['mp4', 'mkv'] as const satisfies readonly RecordFormat[];

/** Whole numbers, each end included; a split of 0 means none. */
export const RECORD_LIMITS = {
  splitMinutes: { min: 0, max: 1440 },
  splitMib: { min: 0, max: 1_000_000 },
  replaySeconds: { min: 5, max: 300 },
} as const;

export interface RecordingPreferences {
  /** Absent: the system's folder for videos. */
  folder?: string;
  format: RecordFormat;
  /** A finished MP4 is rewritten, so that even old players can seek in it. */
  plain: boolean;
  /** Beside the mix, each input on a track of its own. */
  inputTracks: boolean;
  /** The further canvas that is recorded; absent or empty: the main one. */
  canvas?: string;
  /** 0: never. */
  splitMinutes: number;
  /** 0: never. */
  splitMib: number;
  /** The last seconds are kept, to be saved as a replay. */
  replay: boolean;
  replaySeconds: number;
}

/** The folder is not the page's to name: it is chosen in the system's own dialog. */
export type RecordingChange = Partial<Omit<RecordingPreferences, 'folder'>>;

export const DEFAULT_RECORDING: RecordingPreferences = {
  format: 'mp4',
  plain: false,
  inputTracks: false,
  splitMinutes: 0,
  splitMib: 0,
  replay: false,
  replaySeconds: 30,
};

/** What each remembered value may be. */
export const recordingReaders = {
  format: (v: unknown, p: string): RecordFormat => oneOf(v, p, RECORD_FORMATS),
  plain: flag,
  inputTracks: flag,
  // The empty text stands for the main one.
  canvas: (v: unknown, p: string): string => text(v, p, 64),
  splitMinutes: (v: unknown, p: string): number => integer(v, p, RECORD_LIMITS.splitMinutes.min, RECORD_LIMITS.splitMinutes.max),
  splitMib: (v: unknown, p: string): number => integer(v, p, RECORD_LIMITS.splitMib.min, RECORD_LIMITS.splitMib.max),
  replay: flag,
  replaySeconds: (v: unknown, p: string): number => integer(v, p, RECORD_LIMITS.replaySeconds.min, RECORD_LIMITS.replaySeconds.max),
};

export function recordingPreferences(value: unknown, path: string): RecordingPreferences {
  const f = fields(value, path);
  return {
    folder: optional(f.folder, `${path}.folder`, text),
    format: recordingReaders.format(f.format, `${path}.format`),
    plain: flag(f.plain, `${path}.plain`),
    // Files of before it was there lack it.
    inputTracks: optional(f.inputTracks, `${path}.inputTracks`, flag) ?? false,
    canvas: optional(f.canvas, `${path}.canvas`, recordingReaders.canvas),
    splitMinutes: recordingReaders.splitMinutes(f.splitMinutes, `${path}.splitMinutes`),
    splitMib: recordingReaders.splitMib(f.splitMib, `${path}.splitMib`),
    replay: flag(f.replay, `${path}.replay`),
    replaySeconds: recordingReaders.replaySeconds(f.replaySeconds, `${path}.replaySeconds`),
  };
}

export function startRecording(wanted: RecordingPreferences, folder: string): Command {
  const { format, plain, inputTracks, canvas, splitMinutes, splitMib } = wanted;
  return {
    type: 'start_recording',
    recording: {
      folder,
      format,
      // Only an MP4 has two forms.
      plain: plain && format === 'mp4',
      inputTracks,
      canvas: canvas === '' ? undefined : canvas,
      splitMinutes: splitMinutes > 0 ? splitMinutes : undefined,
      splitMib: splitMib > 0 ? splitMib : undefined,
    },
  };
}
