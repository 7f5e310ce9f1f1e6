/** The dialog in which a source is made: a region of a screen, a picture file, a text, a colour, a test picture. */
import { useState } from 'preact/hooks';
import { sayProblem } from '../../shared/i18n/index';
import type { Problem, VideoSource } from '../../shared/model';
import { colorId, imageId, patternId, regionId, textId, type Align, type Part } from '../../shared/source_ids';
import { useUi } from './context';
import { Field, IconButton, NumberField, Segmented, Select, Switch } from './controls';
import { Dialog } from './dialog';
import { RegionPicker } from './region_picker';

const KINDS = ['region', 'image', 'text', 'color', 'pattern'] as const;
type Kind = (typeof KINDS)[number];

interface Draft {
  kind: Kind;
  monitor?: VideoSource;
  part: Part;
  path: string;
  text: string;
  size: number;
  color: string;
  background: string;
  transparent: boolean;
  align: Align;
  bold: boolean;
}

/** The id that the draft stands for; nothing while something is missing. */
function idOf(draft: Draft): string | undefined {
  switch (draft.kind) {
    case 'region':
      return draft.monitor === undefined ? undefined : regionId(draft.monitor.id, draft.part);
    case 'image':
      return draft.path.trim() === '' ? undefined : imageId(draft.path.trim());
    case 'text':
      return draft.text.trim() === ''
        ? undefined
        : textId({ ...draft, background: draft.transparent ? undefined : draft.background });
    case 'color':
      return colorId(draft.color);
    case 'pattern':
      return patternId();
  }
}

function firstPart(monitor: VideoSource | undefined): Part {
  if (monitor === undefined) return { x: 0, y: 0, width: 640, height: 360 };
  const even = (value: number): number => Math.max(16, Math.floor(value / 4) * 2);
  const [width, height] = [even(monitor.width), even(monitor.height)];
  return { x: Math.floor((monitor.width - width) / 2), y: Math.floor((monitor.height - height) / 2), width, height };
}

type Change = (change: Partial<Draft>) => void;

function RegionForm({ draft, change, monitors }: { draft: Draft; change: Change; monitors: VideoSource[] }) {
  const { words } = useUi();
  const { monitor, part } = draft;
  if (monitor === undefined) return <p class="quiet">{words.noSources}</p>;
  const sides = [
    ['x', words.left, 0, monitor.width - 16],
    ['y', words.top, 0, monitor.height - 16],
    ['width', words.width, 16, monitor.width],
    ['height', words.height, 16, monitor.height],
  ] as const;
  return (
    <>
      {monitors.length > 1 && (
        <Field label={words.regionOf}>
          <Select
            value={monitor.id}
            options={monitors.map(({ id, title }) => ({ value: id, label: title }))}
            testid="region-monitor"
            onChange={(id) => {
              const next = monitors.find((each) => each.id === id);
              change({ monitor: next, part: firstPart(next) });
            }}
          />
        </Field>
      )}
      <p class="quiet">{words.regionHint}</p>
      <RegionPicker monitor={monitor} part={part} onPick={(picked) => change({ part: picked })} />
      <div class="fields">
        {sides.map(([side, label, min, max]) => (
          <Field key={side} label={label}>
            <NumberField
              value={part[side]}
              min={min}
              max={max}
              step={1}
              label={label}
              testid={`region-${side}`}
              onCommit={(value) => change({ part: { ...part, [side]: value } })}
            />
          </Field>
        ))}
      </div>
    </>
  );
}

function ImageForm({ draft, change }: { draft: Draft; change: Change }) {
  const { actions, words } = useUi();
  const choose = async (): Promise<void> => {
    const chosen = await actions.choosePicture();
    if (chosen !== undefined && chosen !== null) change({ path: chosen.path });
  };
  return (
    <>
      <Field label={words.pictureFile} wide>
        <input
          class="text"
          type="text"
          value={draft.path}
          spellcheck={false}
          data-testid="image-path"
          onInput={(event) => change({ path: event.currentTarget.value })}
        />
      </Field>
      <button type="button" class="button" data-testid="image-choose" onClick={() => void choose()}>
        {words.choosePicture}
      </button>
      <p class="quiet">{words.pictureHint}</p>
    </>
  );
}

function ColorField(props: { label: string; value: string; testid: string; onChange(value: string): void }) {
  return (
    <Field label={props.label}>
      <input
        class="color-input"
        type="color"
        value={props.value}
        aria-label={props.label}
        data-testid={props.testid}
        onInput={(event) => props.onChange(event.currentTarget.value)}
      />
    </Field>
  );
}

function TextForm({ draft, change }: { draft: Draft; change: Change }) {
  const { words } = useUi();
  return (
    <>
      <Field label={words.textBody} wide>
        <textarea
          class="text"
          rows={3}
          maxLength={4000}
          value={draft.text}
          data-autofocus
          data-testid="text-body"
          onInput={(event) => change({ text: event.currentTarget.value })}
        />
      </Field>
      <div class="fields">
        <Field label={words.textSize}>
          <NumberField value={draft.size} min={4} max={1000} step={1} unit="px" label={words.textSize} testid="text-size" onCommit={(size) => change({ size })} />
        </Field>
        <Field label={words.textAlign}>
          <Select
            value={draft.align}
            options={[
              { value: 'left', label: words.alignLeft },
              { value: 'center', label: words.alignCenter },
              { value: 'right', label: words.alignRight },
            ]}
            testid="text-align"
            onChange={(value) => change({ align: value === 'center' || value === 'right' ? value : 'left' })}
          />
        </Field>
        <ColorField label={words.textColor} value={draft.color} testid="text-color" onChange={(color) => change({ color })} />
        {!draft.transparent && (
          <ColorField label={words.textBackground} value={draft.background} testid="text-background" onChange={(background) => change({ background })} />
        )}
      </div>
      <div class="line-item">
        <span>{words.textTransparent}</span>
        <Switch checked={draft.transparent} label={words.textTransparent} testid="text-transparent" onChange={(transparent) => change({ transparent })} />
      </div>
      <div class="line-item">
        <span>{words.textBold}</span>
        <Switch checked={draft.bold} label={words.textBold} testid="text-bold" onChange={(bold) => change({ bold })} />
      </div>
    </>
  );
}

export function AddSourceDialog() {
  const { state, store, actions, words } = useUi();
  const monitors = state.sources?.video.filter((source) => source.kind === 'monitor') ?? [];
  const [draft, setDraft] = useState<Draft>({
    kind: 'region',
    monitor: monitors[0],
    part: firstPart(monitors[0]),
    path: '',
    text: '',
    size: 72,
    color: '#ffffff',
    background: '#101418',
    transparent: true,
    align: 'left',
    bold: false,
  });
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const close = (): void => store.set({ dialog: undefined });
  const change: Change = (part) => {
    setProblem(undefined);
    setDraft((old) => ({ ...old, ...part }));
  };
  const id = idOf(draft);

  async function add(): Promise<void> {
    if (id === undefined || busy) return;
    setBusy(true);
    const refused = await actions.addSource(id);
    setBusy(false);
    setProblem(refused);
    if (refused === undefined) close();
  }

  const labels: { [Name in Kind]: string } = {
    region: words.kindRegion,
    image: words.kindPicture,
    text: words.kindText,
    color: words.kindColor,
    pattern: words.kindPattern,
  };
  const said = problem === undefined ? undefined : sayProblem(words, problem);
  return (
    <Dialog title={words.addSource} testid="add-source-dialog" onClose={close}>
      <header class="panel-head">
        <h2>{words.addSource}</h2>
        <IconButton icon="close" label={words.close} onClick={close} />
      </header>
      <Segmented
        value={draft.kind}
        options={KINDS.map((kind) => ({ value: kind, label: labels[kind], testid: `add-${kind}` }))}
        label={words.addSource}
        onChange={(kind) => change({ kind })}
      />
      <div class="source-form">
        {draft.kind === 'region' && <RegionForm draft={draft} change={change} monitors={monitors} />}
        {draft.kind === 'image' && <ImageForm draft={draft} change={change} />}
        {draft.kind === 'text' && <TextForm draft={draft} change={change} />}
        {draft.kind === 'color' && (
          <ColorField label={words.textColor} value={draft.color} testid="color-value" onChange={(color) => change({ color })} />
        )}
        {draft.kind === 'pattern' && <p class="quiet">{words.patternHint}</p>}
      </div>
      {problem !== undefined && said !== undefined && (
        <div class="notice bad" role="alert" data-testid="add-source-problem" data-code={problem.code}>
          <strong>{said.message}</strong>
          <span>
            {problem.message} {said.hint}
          </span>
        </div>
      )}
      <div class="dialog-actions">
        <button type="button" class="button" onClick={close}>
          {words.cancel}
        </button>
        <button type="button" class="button primary" disabled={id === undefined} aria-busy={busy} data-testid="add-source-confirm" onClick={() => void add()}>
          {words.add}
        </button>
      </div>
    </Dialog>
  );
}
