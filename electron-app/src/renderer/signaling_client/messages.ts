/** The preview's signalling messages (JSON, `snake_case`), and the reader of those that come in. */
import { fields, isFields, number, Refused, text } from '../../shared/parse';

/** An input's id, or `master` for the mix. */
export type Metered = string;

/** One input's level, dBFS; −120 for silence. */
export interface Level {
  input: Metered;
  peakDb: number;
  rmsDb: number;
}

/** EBU R128 of the mix, LUFS; −120 is silence or not known yet. */
export interface Loudness {
  momentary: number;
  shortTerm: number;
  integrated: number;
}

function loudness(value: unknown): Loudness | undefined {
  // An engine that does not measure it says nothing of it.
  if (!isFields(value)) return undefined;
  return {
    momentary: number(value.momentary, 'loudness.momentary', -1000, 1000),
    shortTerm: number(value.short_term, 'loudness.short_term', -1000, 1000),
    integrated: number(value.integrated, 'loudness.integrated', -1000, 1000),
  };
}

export type ServerMessage =
  | { type: 'hello'; version: number }
  | { type: 'offer'; sdp: string }
  | { type: 'candidate'; candidate: RTCIceCandidateInit | null }
  | { type: 'levels'; inputs: Level[]; loudness?: Loudness }
  | { type: 'error'; code: string; message: string };

export type ClientMessage =
  | { type: 'answer'; sdp: string }
  | { type: 'candidate'; candidate: RTCIceCandidateInit | null }
  | { type: 'restart' };

function level(value: unknown, path: string): Level {
  const f = fields(value, path);
  return {
    input: text(f.input, `${path}.input`, 64),
    peakDb: number(f.peak_db, `${path}.peak_db`, -1000, 1000),
    rmsDb: number(f.rms_db, `${path}.rms_db`, -1000, 1000),
  };
}

function candidate(value: unknown): RTCIceCandidateInit | null {
  if (value === null) return null;
  const f = fields(value, 'candidate');
  const init: RTCIceCandidateInit = { candidate: text(f.candidate, 'candidate.candidate') };
  if (typeof f.sdpMid === 'string') init.sdpMid = f.sdpMid;
  if (typeof f.sdpMLineIndex === 'number') init.sdpMLineIndex = f.sdpMLineIndex;
  if (typeof f.usernameFragment === 'string') init.usernameFragment = f.usernameFragment;
  // One of the two must be there; with BUNDLE every candidate belongs to the first section.
  if (init.sdpMid === undefined && init.sdpMLineIndex === undefined) init.sdpMLineIndex = 0;
  return init;
}

/** Reads one message; throws where it is not one. A type that is not known here is `undefined`: a newer engine's. */
export function readServerMessage(raw: unknown): ServerMessage | undefined {
  const parsed: unknown = JSON.parse(text(raw, 'message', 1_000_000));
  const f = fields(parsed, 'message');
  switch (f.type) {
    case 'hello':
      return { type: 'hello', version: number(f.version, 'version', 0, 1e9) };
    case 'offer':
      return { type: 'offer', sdp: text(f.sdp, 'sdp', 500_000) };
    case 'candidate':
      return { type: 'candidate', candidate: candidate(f.candidate) };
    case 'levels': {
      if (!Array.isArray(f.inputs)) throw new Refused('inputs', 'a list');
      const inputs: unknown[] = f.inputs;
      return {
        type: 'levels',
        inputs: inputs.filter(isFields).map((one, i) => level(one, `inputs[${i}]`)),
        loudness: loudness(f.loudness),
      };
    }
    case 'error':
      return { type: 'error', code: text(f.code, 'code'), message: text(f.message, 'message') };
    default:
      return undefined;
  }
}
