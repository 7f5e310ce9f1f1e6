/** The two inputs of the mix: which device, how loud, heard or not. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { fillOf } from '../meters';
import type { Metered } from '../signaling_client/messages';
import { useUi } from './context';
import { IconButton, Select, Switch } from './controls';
import type { IconName } from './icons';

/** While our window lies in the captured picture each move of a bar is a change of the desktop: then twice a second. */
const RESTING_MS = 500;
/** A peak mark falls by this much with each reading (20 a second): 20 dB/s, as programme meters do. */
const PEAK_FALL = 1 / 60;

function Meter({ input, label, dimmed }: { input: Metered; label: string; dimmed: boolean }) {
  const { meters, state } = useUi();
  const cover = useRef<HTMLSpanElement>(null);
  const mark = useRef<HTMLSpanElement>(null);
  const resting = state.mirrored;

  useEffect(() => {
    let held = 0;
    let drawnAt = 0;
    let drawnFill = -1;
    let drawnHeld = -1;
    return meters.listen(input, (peakDb, rmsDb) => {
      const now = performance.now();
      const peak = fillOf(peakDb);
      held = Math.max(peak, held - PEAK_FALL, 0);
      if (resting && now - drawnAt < RESTING_MS) return;
      drawnAt = now;
      // Halves of a percent: less can't be seen, and a bar that does not move costs nothing.
      const fill = Math.round(fillOf(rmsDb) * 200) / 200;
      const top = Math.round(held * 200) / 200;
      if (fill !== drawnFill && cover.current !== null) cover.current.style.transform = `scaleX(${1 - fill})`;
      if (top !== drawnHeld && mark.current !== null) {
        mark.current.style.transform = `translateX(${top * 100}%)`;
        mark.current.style.opacity = top > 0 ? '1' : '0';
      }
      drawnFill = fill;
      drawnHeld = top;
    });
  }, [meters, input, resting]);

  return (
    <span class={`meter${dimmed ? ' dimmed' : ''}`} role="img" aria-label={label} data-testid={`meter-${input}`}>
      <span class="meter-cover" ref={cover} />
      <span class="meter-mark" ref={mark} />
    </span>
  );
}

/** While it is dragged the slider shows the hand, not what main echoes of a moment ago. */
function VolumeSlider(props: { title: string; volume: number; testid: string; onVolume(volume: number): void }) {
  const { words } = useUi();
  const [held, setHeld] = useState<number | undefined>(undefined);
  const volume = held ?? props.volume;
  return (
    <input
      type="range"
      min={0}
      max={2}
      step={0.05}
      value={volume}
      aria-label={`${words.volume}: ${props.title}`}
      title={`${words.volume}: ${Math.round(volume * 100)} %`}
      data-testid={props.testid}
      style={{ '--fill': `${(volume / 2) * 100}%` }}
      onInput={(event) => {
        setHeld(Number(event.currentTarget.value));
        props.onVolume(Number(event.currentTarget.value));
      }}
      onChange={(event) => {
        props.onVolume(Number(event.currentTarget.value));
        setHeld(undefined);
      }}
    />
  );
}

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
        <Meter input={props.input} label={`${words.level}: ${props.title}`} dimmed={props.muted || !props.active} />
        <VolumeSlider title={props.title} volume={props.volume} testid={props.volumeTestid} onVolume={props.onVolume} />
      </div>
    </div>
  );
}

export function Mixer() {
  const { state, actions, words } = useUi();
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
