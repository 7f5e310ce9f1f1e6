/** A camera with its microphone, by one click: a switch in a scene's inspector, a button beside the camera in the list. */
import { cameraSound, type CameraSound } from '../../shared/camera_sound';
import type { VideoSource } from '../../shared/model';
import { useUi } from './context';
import { IconButton, Switch } from './controls';

function useCameraSound(camera: VideoSource | undefined): CameraSound | undefined {
  const { state } = useUi();
  return camera === undefined || state.sources === undefined ? undefined : cameraSound(state.settings.audio, state.sources, camera);
}

/** Of what an item of a scene shows; nothing where that is no camera that has one. */
export function CameraSoundSwitch({ source }: { source: string }) {
  const { state, actions, words } = useUi();
  const camera = state.sources?.video.find(({ id, lastingId }) => id === source || lastingId === source);
  const sound = useCameraSound(camera);
  if (sound === undefined) return null;
  return (
    <div class="line-item wide" title={sound.name}>
      <span>{words.withMicrophone}</span>
      <Switch checked={sound.on} label={words.withMicrophone} testid="item-microphone" onChange={() => void actions.changeAudio(sound.change)} />
    </div>
  );
}

/** Beside a camera of the list. */
export function CameraSoundButton({ camera }: { camera: VideoSource }) {
  const { actions, words } = useUi();
  const sound = useCameraSound(camera);
  if (sound === undefined) return null;
  return (
    <IconButton
      icon={sound.on ? 'mic' : 'micOff'}
      label={`${words.withMicrophone}: ${sound.name}`}
      pressed={sound.on}
      testid="camera-microphone"
      onClick={() => void actions.changeAudio(sound.change)}
    />
  );
}
