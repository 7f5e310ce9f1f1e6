/** The two inputs of the mix: which device, how loud, heard or not. */
import type { ComponentChildren } from 'preact';
import type { Metered } from '../signaling_client/messages';
import { useUi } from './context';
import { IconButton, Select, Switch } from './controls';
import { dbOf, Fader, linearOf } from './fader';
import type { IconName } from './icons';
import { KeyState } from './key_chooser';
import { Meter } from './meter';

function Channel(props: {
  input: Metered;
  title: string;
  muted: boolean;
  active: boolean;
  volume: number;
  icon: IconName;
  iconOff: IconName;
  muteLabel: string;
  muteTestid: string;
  volumeTestid: string;
  onMute(muted: boolean): void;
  onVolume(volume: number): void;
  children: ComponentChildren;
}) {
  const { words } = useUi();
  return (
    <div class={`channel${props.active ? '' : ' inactive'}`}>
      <IconButton
        icon={props.muted ? props.iconOff : props.icon}
        label={props.muteLabel}
        pressed={props.muted}
        tone={props.muted ? 'danger' : undefined}
        testid={props.muteTestid}
        onClick={() => props.onMute(!props.muted)}
      />
      <div class="channel-body">
        <div class="channel-head">
          <span class="channel-title">{props.title}</span>
          {props.children}
        </div>
        <KeyState input={props.input} />
        <Meter input={props.input} label={`${words.level}: ${props.title}`} dimmed={props.muted || !props.active} />
        <Fader title={props.title} db={dbOf(props.volume)} testid={props.volumeTestid} onDb={(db) => props.onVolume(linearOf(db))} />
      </div>
    </div>
  );
}

export function Mixer() {
  const { state, store, actions, words } = useUi();
  const { audio } = state.settings;
  const microphones = state.sources?.microphones ?? [];
  const options = [{ value: '', label: words.noMicrophone }, ...microphones.map(({ id, name }) => ({ value: id, label: name }))];
  // A device that is unplugged now stays chosen: it may come back.
  if (audio.microphone !== undefined && !microphones.some(({ id }) => id === audio.microphone)) {
    options.push({ value: audio.microphone, label: audio.microphone });
  }
  const canSystem = state.sources?.systemSound ?? true;
  return (
    <section class="mixer" aria-label={words.sound}>
      <Channel
        input="microphone"
        title={words.microphone}
        muted={audio.microphoneMuted}
        active={audio.microphone !== undefined}
        volume={audio.microphoneVolume}
        icon="mic"
        iconOff="micOff"
        muteLabel={audio.microphoneMuted ? words.unmuteMicrophone : words.muteMicrophone}
        muteTestid="mute-mic"
        volumeTestid="volume-mic"
        onMute={(microphoneMuted) => void actions.changeAudio({ microphoneMuted })}
        onVolume={(microphoneVolume) => void actions.changeAudio({ microphoneVolume })}
      >
        <Select
          value={audio.microphone ?? ''}
          options={options}
          label={words.microphone}
          testid="mic-select"
          onChange={(microphone) => void actions.changeAudio({ microphone })}
        />
      </Channel>
      <Channel
        input="system_sound"
        title={words.systemSound}
        muted={audio.systemMuted}
        active={audio.systemSound && canSystem}
        volume={audio.systemVolume}
        icon="speaker"
        iconOff="speakerOff"
        muteLabel={audio.systemMuted ? words.unmuteSystem : words.muteSystem}
        muteTestid="mute-system"
        volumeTestid="volume-system"
        onMute={(systemMuted) => void actions.changeAudio({ systemMuted })}
        onVolume={(systemVolume) => void actions.changeAudio({ systemVolume })}
      >
        <span class="channel-note">{canSystem ? (audio.systemSound ? words.systemSoundOn : words.systemSoundOff) : words.noSystemSound}</span>
        <IconButton icon="chart" label={words.deskOpen} testid="open-desk" onClick={() => store.set({ dialog: 'sound' })} />
        <Switch
          checked={audio.systemSound && canSystem}
          disabled={!canSystem}
          label={words.systemSound}
          testid="system-sound"
          onChange={(systemSound) => void actions.changeAudio({ systemSound })}
        />
      </Channel>
    </section>
  );
}
