/** The whole mix in one dialog: every input with its fader, filters and delay; the headphones; the loudness. */
import { useEffect, useState } from 'preact/hooks';
import { isBuiltIn, newInput, type InputPreferences } from '../../shared/audio_inputs';
import type { AudioSource } from '../../shared/model';
import { useUi } from './context';
import { IconButton, NumberField, Select } from './controls';
import { Dialog } from './dialog';
import { FilterList } from './filter_list';
import { Meter } from './meter';

/** A fader's ends: below −60 dB is silence. */
const LEAST_DB = -60;
const MOST_DB = 12;

const SEPARATOR = '|';

function Strip(props: { input: InputPreferences; title: string; active: boolean; onChange(input: InputPreferences): void; onRemove?: () => void }) {
  const { words } = useUi();
  const { input, title, onChange } = props;
  const [open, setOpen] = useState(false);
  const [held, setHeld] = useState<number | undefined>(undefined);
  const db = held ?? Math.max(input.gainDb, LEAST_DB);
  const said = db <= LEAST_DB ? '−∞ dB' : `${db.toFixed(1)} dB`;
  const toggle = (key: 'muted' | 'solo' | 'monitored', label: string, letter: string) => (
    <button
      type="button"
      class={`button small${input[key] ? ' on' : ''}`}
      aria-pressed={input[key]}
      aria-label={`${label}: ${title}`}
      title={label}
      data-testid={`${key}-${input.id}`}
      onClick={() => onChange({ ...input, [key]: !input[key] })}
    >
      {letter}
    </button>
  );
  const builtIn = isBuiltIn(input.id);
  return (
    <li class={`desk-strip${props.active ? '' : ' inactive'}`} data-testid={`strip-${input.id}`}>
      <div class="desk-row">
        <span class="desk-title" title={title}>
          {title}
        </span>
        <Meter input={input.id} label={`${words.level}: ${title}`} dimmed={input.muted || !props.active} />
        {builtIn ? (
          <span class="quiet">{words.deskFaderElsewhere}</span>
        ) : (
          <>
            <input
              type="range"
              min={LEAST_DB}
              max={MOST_DB}
              step={0.5}
              value={db}
              aria-label={`${words.volume}: ${title}`}
              aria-valuetext={said}
              title={said}
              data-testid={`fader-${input.id}`}
              style={{ '--fill': `${((db - LEAST_DB) / (MOST_DB - LEAST_DB)) * 100}%` }}
              onInput={(event) => setHeld(Number(event.currentTarget.value))}
              onChange={(event) => {
                const value = Number(event.currentTarget.value);
                setHeld(undefined);
                onChange({ ...input, gainDb: value <= LEAST_DB ? -120 : value });
              }}
            />
            <span class="desk-db">{said}</span>
          </>
        )}
        {!builtIn && toggle('muted', words.deskMute, 'M')}
        {toggle('solo', words.deskSolo, 'S')}
        {toggle('monitored', words.deskMonitor, 'H')}
        <button type="button" class="button small" aria-expanded={open} data-testid={`filters-${input.id}`} onClick={() => setOpen(!open)}>
          {words.deskFilters} ({input.filters.filter((filter) => filter.enabled).length})
        </button>
        {props.onRemove !== undefined && <IconButton icon="close" label={`${words.deskRemove}: ${title}`} testid={`remove-${input.id}`} onClick={props.onRemove} />}
      </div>
      {open && (
        <div class="desk-more">
          <label class="desk-delay">
            {words.deskDelay}
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
          <FilterList id={input.id} filters={input.filters} onChange={(filters) => onChange({ ...input, filters })} />
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
  const put = (input: InputPreferences): void => change(inputs.some(({ id }) => id === input.id) ? inputs.map((old) => (old.id === input.id ? input : old)) : [...inputs, input]);
  const nameOf = ({ id, source }: InputPreferences): string => {
    if (id === 'microphone') return words.microphone;
    if (id === 'system_sound') return words.systemSound;
    if (source === undefined) return id;
    if (source.kind === 'application') return source.program;
    const listed = source.kind === 'microphone' ? sources?.microphones : sources?.speakers;
    return listed?.find((device) => device.id === source.device)?.name ?? source.device;
  };
  const add = (value: string): void => {
    if (value === '') return;
    const taken = new Set(inputs.map(({ id }) => id));
    let number = 1;
    while (taken.has(`input-${number}`)) number += 1;
    change([...inputs, newInput(`input-${number}`, sourceOf(value))]);
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
  const activeOf = (id: string): boolean => state.state?.audio.find((each) => each.input === id)?.active ?? false;
  const all = [
    ...['microphone', 'system_sound'].map((id) => inputs.find((input) => input.id === id) ?? newInput(id)),
    ...inputs.filter(({ id }) => !isBuiltIn(id)),
  ];
  return (
    <Dialog title={words.deskTitle} testid="sound-desk" onClose={() => store.set({ dialog: undefined })}>
      <header class="desk-head">
        <h2>{words.deskTitle}</h2>
        <LoudnessReadout />
        <IconButton icon="close" label={words.close} onClick={() => store.set({ dialog: undefined })} />
      </header>
      <ul class="desk-strips">
        {all.map((input) => (
          <Strip
            key={input.id}
            input={input}
            title={nameOf(input)}
            active={activeOf(input.id)}
            onChange={put}
            onRemove={isBuiltIn(input.id) ? undefined : () => change(inputs.filter(({ id }) => id !== input.id))}
          />
        ))}
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
