/** A camera's own microphone in the mix: whether it is there, and what takes it in or out. Pure. */
import { newInput, nextInputId } from './audio_inputs';
import type { Sources, VideoSource } from './model';
import type { AudioPreferences } from './settings';

export interface CameraSound {
  /** As the system calls the microphone. */
  name: string;
  /** It is an input of the mix. */
  on: boolean;
  /** What makes it one, or no more. */
  change: Partial<AudioPreferences>;
}

/** Nothing where the camera has none that is known. */
export function cameraSound(audio: AudioPreferences, sources: Pick<Sources, 'microphones'>, camera: VideoSource): CameraSound | undefined {
  const { microphone: device } = camera;
  const listed = sources.microphones.find(({ id }) => id === device);
  if (device === undefined || listed === undefined) return undefined;
  const inputs = audio.inputs ?? [];
  const others = inputs.filter(({ source }) => source?.kind !== 'microphone' || source.device !== device);
  // The chosen microphone may be this very one, by its name or as the system's choice: twice it would be louder.
  const systems = sources.microphones.find(({ id }) => id === 'default');
  const chosen = audio.microphone === device || (audio.microphone === 'default' && systems?.name === listed.name);
  if (others.length < inputs.length || chosen) {
    const hotKeys = audio.hotKeys?.filter(({ input }) => others.some(({ id }) => id === input) || !inputs.some(({ id }) => id === input));
    // The empty text stands for "no microphone".
    return { name: listed.name, on: true, change: { inputs: others, ...(hotKeys && { hotKeys }), ...(chosen && { microphone: '' }) } };
  }
  const added = newInput(nextInputId(inputs), { kind: 'microphone', device }, camera.title);
  return { name: listed.name, on: false, change: { inputs: [...inputs, added] } };
}
