/** Adds or changes a further canvas, and says what it would cost before it is there. */
import { useEffect, useState } from 'preact/hooks';
import { DEFAULT_CANVAS, SHAPES, type CanvasDraft, type SavedCanvas } from '../../shared/canvases';
import { sayProblem } from '../../shared/i18n/index';
import type { CanvasCost, Problem } from '../../shared/model';
import { sourceTitle } from '../../shared/source_names';
import { LIMITS } from '../../shared/video_settings';
import { Cost } from './canvas_cost';
import { CodecField } from './codec_field';
import { useUi } from './context';
import { Field, NumberField, Select } from './controls';
import { useDesk } from './scene_context';

/** A draft that rests so long is estimated: not each letter of its name. */
const REST_MS = 250;

export function CanvasForm({ saved, onDone }: { saved?: SavedCanvas; onDone(): void }) {
  const { state, actions, words } = useUi();
  const desk = useDesk();
  const { scenes } = desk.state;
  const sources = state.sources?.video ?? [];
  const first = scenes.find(({ canvas }) => canvas.height > canvas.width)?.name;
  const [draft, setDraft] = useState<CanvasDraft>(
    saved ?? { ...DEFAULT_CANVAS, name: words.canvasesNew, scene: first, source: first === undefined ? sources[0]?.lastingId : undefined },
  );
  const [cost, setCost] = useState<CanvasCost | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const change = (part: Partial<CanvasDraft>): void => {
    setDraft({ ...draft, ...part });
    setProblem(undefined);
  };
  const shows = draft.scene !== undefined ? `scene:${draft.scene}` : `source:${draft.source ?? ''}`;
  const options = [
    ...scenes.map(({ name }) => ({ value: `scene:${name}`, label: `${words.canvasesSceneGroup}: ${name}` })),
    ...sources.map((source) => ({ value: `source:${source.lastingId}`, label: sourceTitle(words, source) })),
  ];
  // What is not there now is still what it shows.
  if (!options.some(({ value }) => value === shows)) options.push({ value: shows, label: draft.scene ?? draft.source ?? '' });
  const valid = draft.name.trim() !== '' && (draft.scene !== undefined || (draft.source ?? '') !== '');

  const { scene, source, shape, short, fps } = draft;
  useEffect(() => {
    let current = true;
    setCost(undefined);
    if (!valid) return undefined;
    const timer = setTimeout(() => {
      void actions.canvasCost(draft).then((answer) => {
        if (current && answer.ok) setCost(answer.value);
      });
    }, REST_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [valid, scene, source, shape, short, fps]);

  async function save(force: boolean): Promise<void> {
    const answer = await actions.saveCanvas(draft, force);
    if (answer.ok) onDone();
    else setProblem(answer.problem);
  }

  const told = problem === undefined ? undefined : sayProblem(words, problem);
  return (
    <div class="fields destination-form" data-testid="canvas-form">
      <Field label={words.canvasesName} wide>
        <input class="text" value={draft.name} maxLength={100} data-testid="canvas-name" onInput={(event) => change({ name: event.currentTarget.value })} />
      </Field>
      <Field label={words.canvasesShows} wide>
        <Select
          value={shows}
          options={options}
          testid="canvas-shows"
          onChange={(value) =>
            change(value.startsWith('scene:') ? { scene: value.slice('scene:'.length), source: undefined } : { scene: undefined, source: value.slice('source:'.length) })
          }
        />
      </Field>
      {draft.scene === undefined && (
        <Field label={words.canvasesShape}>
          <Select
            value={shape}
            options={SHAPES.map((each) => ({ value: each, label: each }))}
            testid="canvas-shape"
            onChange={(value) => change({ shape: SHAPES.find((each) => each === value) ?? '9:16' })}
          />
        </Field>
      )}
      <Field label={words.canvasesShort}>
        <NumberField value={short} {...LIMITS.height} step={2} even unit="px" testid="canvas-short" onCommit={(value) => change({ short: value })} />
      </Field>
      <Field label={words.frameRate}>
        <NumberField value={fps} {...LIMITS.fps} step={1} testid="canvas-fps" onCommit={(value) => change({ fps: value })} />
      </Field>
      <Field label={words.bitrate}>
        <NumberField value={draft.kbps} {...LIMITS.kbps} step={100} unit="kbit/s" testid="canvas-kbps" onCommit={(kbps) => change({ kbps })} />
      </Field>
      <CodecField value={draft.codec} onChange={(codec) => change({ codec })} />
      {cost !== undefined && <Cost cost={cost} testid="canvas-cost" />}
      {told !== undefined && (
        <div class="notice bad wide" role="alert" data-testid="canvas-problem" data-code={problem?.code}>
          <strong>{told.message}</strong>
          <span>{told.hint}</span>
        </div>
      )}
      <div class="destination-buttons wide">
        {saved !== undefined && (
          <button type="button" class="button small danger-quiet" data-testid="canvas-remove" onClick={() => void actions.removeCanvas(saved.id).then(onDone)}>
            {words.destinationRemove}
          </button>
        )}
        <button type="button" class="button small" data-testid="canvas-cancel" onClick={onDone}>
          {words.destinationCancel}
        </button>
        {problem?.code === 'no_room_for_canvas' ? (
          <button type="button" class="button small primary" data-testid="canvas-anyway" onClick={() => void save(true)}>
            {words.canvasesAnyway}
          </button>
        ) : (
          <button type="button" class="button small primary" disabled={!valid} data-testid="canvas-save" onClick={() => void save(false)}>
            {words.destinationSave}
          </button>
        )}
      </div>
    </div>
  );
}
