/** The whole mix in one dialog: every input with its fader, filters and delay; the headphones; the loudness. */
import { useEffect, useState } from 'preact/hooks';
import { isBuiltIn, newInput, nextInputId, type InputPreferences } from '../../shared/audio_inputs';
import type { AudioSource } from '../../shared/model';
import { useUi } from './context';
import { IconButton, NumberField, Select } from './controls';
import { Dialog } from './dialog';
import { dbOf, Fader, linearOf } from './fader';
import { FilterList } from './filter_list';
import { InputKeys, KeyState } from './key_chooser';
import { Meter } from './meter';

const SEPARATOR = '|';

/** An input as the desk shows it, wherever its volume and mute are kept. */
interface Shown {
  input: InputPreferences;
  title: string;
  /** Its device is open. */
  active: boolean;
  /** The user has opened it. */
  wanted: boolean;
  /** What hearing it in the headphones does to the stream, by the engine's word for it. */
  monitorProblem: string | undefined;
}

function Strip(props: Shown & { onChange(input: InputPreferences): void; onRemove?: () => void }) {
  const { words } = useUi();
  const { input, title, active, wanted, monitorProblem, onChange } = props;
  const [open, setOpen] = useState(false);
  const toggle = (key: 'muted' | 'solo' | 'monitored', label: string, letter: string) => (
    <button
      type="button"
      class={`button small letter ${key}${input[key] ? ' on' : ''}`}
      aria-pressed={input[key]}
      aria-label={`${label}: ${title}`}
      title={label}
      data-testid={`${key}-${input.id}`}
      onClick={() => onChange({ ...input, [key]: !input[key] })}
    >
      {letter}
    </button>
  );
  const comesBack = monitorProblem === 'comes_back';
  const used = input.filters.filter((filter) => filter.enabled).length;
  return (
    <li class={`desk-strip${active ? '' : ' inactive'}`} data-testid={`strip-${input.id}`}>
      <div class="desk-row">
        <div class="desk-name">
          <span class="desk-title" title={title}>
            {title}
          </span>
          {active ? <KeyState input={input.id} /> : <span class="desk-note">{wanted ? words.deskClosed : words.deskOff}</span>}
          {monitorProblem !== undefined && (
            <span class="desk-note warned" title={comesBack ? words.deskComesBackHint : words.deskHeardTwiceHint} data-testid={`monitor-problem-${input.id}`}>
              {comesBack ? words.deskComesBack : words.deskHeardTwice}
            </span>
          )}
        </div>
        <div class="desk-level">
          <Meter input={input.id} label={`${words.level}: ${title}`} dimmed={input.muted || !active} />
          <Fader db={input.gainDb} title={title} testid={`fader-${input.id}`} onDb={(gainDb) => onChange({ ...input, gainDb })} />
        </div>
        <div class="desk-buttons">
          {toggle('muted', words.deskMute, 'M')}
          {toggle('solo', words.deskSolo, 'S')}
          {toggle('monitored', words.deskMonitor, 'H')}
          <button
            type="button"
            class={`button small more${open ? ' on' : ''}`}
            aria-expanded={open}
            aria-label={`${words.deskFiltersAndKeys}: ${title}`}
            title={words.deskFiltersAndKeys}
            data-testid={`filters-${input.id}`}
            onClick={() => setOpen(!open)}
          >
            {words.deskFilters}
            {used > 0 && <span class="count">{used}</span>}
          </button>
          <span class="desk-remove">
            {props.onRemove !== undefined && <IconButton icon="close" label={`${words.deskRemove}: ${title}`} testid={`remove-${input.id}`} onClick={props.onRemove} />}
          </span>
        </div>
      </div>
      {open && (
        <div class="desk-more" data-testid={`more-${input.id}`}>
          {input.filters.length === 0 && <p class="quiet">{words.deskNoFilters}</p>}
          <FilterList id={input.id} filters={input.filters} onChange={(filters) => onChange({ ...input, filters })} />
          <div class="desk-side">
            <label class="desk-delay">
              <span class="key-label">{words.deskDelay}</span>
              <NumberField
                value={input.delayMs}
                min={0}
                max={2000}
                label={`${words.deskDelay}: ${title}`}
                testid={`delay-${input.id}`}
                step={1}
                onCommit={(delayMs) => onChange({ ...input, delayMs: Math.round(delayMs) })}
              />
            </label>
            <InputKeys input={input.id} title={title} />
          </div>
        </div>
      )}
    </li>
  );
}

function LoudnessReadout() {
  const { meters, words } = useUi();
  const [, redraw] = useState(0);
  useEffect(() => {
    // Four times a second: faster figures can't be read.
    const timer = setInterval(() => redraw((count) => count + 1), 250);
    return () => clearInterval(timer);
  }, []);
  const say = (lufs: number | undefined): string => (lufs === undefined || lufs <= -100 ? '–' : `${lufs.toFixed(1)} LUFS`);
  const { loudness } = meters;
  return (
    <dl class="desk-loudness" title={words.deskLoudnessHint} data-testid="loudness">
      <dt>{words.deskMomentary}</dt>
      <dd>{say(loudness?.momentary)}</dd>
      <dt>{words.deskShortTerm}</dt>
      <dd>{say(loudness?.shortTerm)}</dd>
      <dt>{words.deskIntegrated}</dt>
      <dd data-testid="loudness-integrated">{say(loudness?.integrated)}</dd>
    </dl>
  );
}

function sourceOf(value: string): AudioSource {
  const cut = value.indexOf(SEPARATOR);
  const [kind, id] = [value.slice(0, cut), value.slice(cut + 1)];
  if (kind === 'application') return { kind, program: id };
  return { kind: kind === 'microphone' ? 'microphone' : 'system_sound', device: id };
}

export function SoundDesk() {
  const { state, store, actions, words } = useUi();
  const { audio } = state.settings;
  const inputs = audio.inputs ?? [];
  const { sources } = state;
  const change = (next: InputPreferences[]): void => void actions.changeAudio({ inputs: next });
  const put = (input: InputPreferences): void => {
    const next = inputs.some(({ id }) => id === input.id) ? inputs.map((old) => (old.id === input.id ? input : old)) : [...inputs, input];
    // Volume and mute of these two are the main window's.
    if (input.id === 'microphone') void actions.changeAudio({ inputs: next, microphoneVolume: linearOf(input.gainDb), microphoneMuted: input.muted });
    else if (input.id === 'system_sound') void actions.changeAudio({ inputs: next, systemVolume: linearOf(input.gainDb), systemMuted: input.muted });
    else change(next);
  };
  const remove = (id: string): void => {
    const hotKeys = (audio.hotKeys ?? []).filter((key) => key.input !== id);
    void actions.changeAudio({ inputs: inputs.filter((input) => input.id !== id), hotKeys });
  };
  const nameOf = ({ id, source, name }: InputPreferences): string => {
    if (id === 'microphone') return words.microphone;
    if (id === 'system_sound') return words.systemSound;
    if (source === undefined) return id;
    if (source.kind === 'application') return source.program;
    const listed = source.kind === 'microphone' ? sources?.microphones : sources?.speakers;
    const now = listed?.find((device) => device.id === source.device)?.name;
    // A camera's microphone is called as its camera; what follows the system's choice, as that is called now.
    return (source.device === 'default' ? (now ?? name) : (name ?? now)) ?? source.device;
  };
  const add = (value: string): void => {
    if (value === '') return;
    const source = sourceOf(value);
    const id = nextInputId(inputs);
    change([...inputs, newInput(id, source, nameOf(newInput(id, source)))]);
  };
  const entries = (kind: AudioSource['kind'], listed: ReadonlyArray<{ id: string; name: string }> | undefined, of: string) =>
    (listed ?? []).map(({ id, name }) => ({ value: `${kind}${SEPARATOR}${id}`, label: `${of}: ${name}` }));
  const choices = [
    { value: '', label: words.deskAdd },
    ...entries('microphone', sources?.microphones, words.microphone),
    ...entries('system_sound', sources?.speakers, words.systemSound),
    ...entries('application', sources?.applications, words.deskProgram),
  ];
  const speakers = [{ value: '', label: words.deskNoHeadphones }, ...(sources?.speakers ?? []).map(({ id, name }) => ({ value: id, label: name }))];
  if (audio.headphones !== undefined && !speakers.some(({ value }) => value === audio.headphones)) {
    speakers.push({ value: audio.headphones, label: audio.headphones });
  }
  const stateOf = (id: string) => state.state?.audio.find((each) => each.input === id);
  const builtIn = (id: string): InputPreferences => inputs.find((input) => input.id === id) ?? newInput(id);
  const { microphoneVolume, microphoneMuted, systemVolume, systemMuted } = audio;
  const all: Array<{ input: InputPreferences; wanted: boolean }> = [
    { input: { ...builtIn('microphone'), gainDb: dbOf(microphoneVolume), muted: microphoneMuted }, wanted: audio.microphone !== undefined },
    { input: { ...builtIn('system_sound'), gainDb: dbOf(systemVolume), muted: systemMuted }, wanted: audio.systemSound },
    ...inputs.filter(({ id }) => !isBuiltIn(id)).map((input) => ({ input, wanted: true })),
  ];
  return (
    <Dialog title={words.deskTitle} testid="sound-desk" onClose={() => store.set({ dialog: undefined })}>
      <header class="desk-head">
        <h2>{words.deskTitle}</h2>
        <IconButton icon="close" label={words.close} onClick={() => store.set({ dialog: undefined })} />
      </header>
      <ul class="desk-strips">
        {all.map(({ input, wanted }) => (
          <Strip
            key={input.id}
            input={input}
            title={nameOf(input)}
            active={stateOf(input.id)?.active ?? false}
            monitorProblem={stateOf(input.id)?.monitorProblem}
            wanted={wanted}
            onChange={put}
            onRemove={isBuiltIn(input.id) ? undefined : () => remove(input.id)}
          />
        ))}
        <li class="desk-strip master" data-testid="strip-master">
          <div class="desk-row">
            <div class="desk-name">
              <span class="desk-title">{words.deskMix}</span>
            </div>
            <div class="desk-level">
              <Meter input="master" label={`${words.level}: ${words.deskMix}`} dimmed={false} />
            </div>
            <LoudnessReadout />
          </div>
        </li>
      </ul>
      <footer class="desk-foot">
        <Select value="" options={choices} label={words.deskAdd} testid="add-input" onChange={add} />
        <label class="desk-delay">
          {words.deskHeadphones}
          <Select
            value={audio.headphones ?? ''}
            options={speakers}
            label={words.deskHeadphones}
            testid="headphones"
            onChange={(headphones) => void actions.changeAudio({ headphones })}
          />
        </label>
      </footer>
      <p class="quiet">{words.deskHint}</p>
    </Dialog>
  );
}
