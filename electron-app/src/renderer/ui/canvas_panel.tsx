/** Further canvases: what each shows, how it is doing, and where one is added. */
import { useState } from 'preact/hooks';
import { MOST_CANVASES, type SavedCanvas } from '../../shared/canvases';
import { sayProblem } from '../../shared/i18n/index';
import type { CanvasStats } from '../../shared/model';
import { CanvasForm } from './canvas_form';
import { useUi } from './context';
import { Field, IconButton, Panel, Select } from './controls';
import { Icon } from './icons';
import { useDesk } from './scene_context';

function Figures({ stats }: { stats: CanvasStats }) {
  const { say } = useUi();
  const ms = stats.encodeMs + (stats.composeMs ?? 0);
  const figures = { fps: stats.fpsEncoded.toFixed(0), ms: ms.toFixed(1), kbps: Math.round(stats.videoKbps), cores: stats.cores.toFixed(2) };
  return (
    <span class="destination-figures" data-testid={`canvas-figures-${stats.id}`}>
      {say('canvasesFigures', figures)}
    </span>
  );
}

function Row({ canvas, onEdit }: { canvas: SavedCanvas; onEdit(): void }) {
  const { state, words } = useUi();
  const desk = useDesk();
  const its = state.state?.canvases.find((each) => each.id === canvas.id);
  const stats = state.stats?.canvases.find((each) => each.id === canvas.id);
  const failed = its?.problem !== undefined && its.problem !== null;
  const kind = failed ? 'failed' : its?.live === true ? 'live' : 'idle';
  const size = its === undefined ? '' : `${its.settings.width}×${its.settings.height}`;
  const gone = canvas.scene !== undefined && !desk.state.scenes.some(({ name }) => name === canvas.scene);
  const waits = gone ? '' : words.canvasesWaits;
  const word = failed ? words.canvasesFailed : its?.live === true ? words.canvasesLive : waits;
  const told = failed && its?.problem ? sayProblem(words, its.problem) : undefined;
  return (
    <li class="destination" data-testid={`canvas-${canvas.id}`} data-state={kind}>
      <div class="destination-head">
        <span class={`destination-dot ${kind}`} aria-hidden="true" />
        <span class="destination-name" title={canvas.scene ?? canvas.source}>
          {canvas.name} {size !== '' && <span class="quiet">{size}</span>}
        </span>
        <span class="destination-state" role="status" title={its?.encoder ?? undefined}>
          {word}
        </span>
        <IconButton icon="edit" label={`${words.canvasesEdit}: ${canvas.name}`} testid={`canvas-edit-${canvas.id}`} onClick={onEdit} />
      </div>
      {stats !== undefined && kind === 'live' && <Figures stats={stats} />}
      {gone && <p class="destination-reason bad">{words.canvasesSceneGone}</p>}
      {told !== undefined && (
        <p class="destination-reason bad" data-testid={`canvas-reason-${canvas.id}`}>
          <strong>{told.message}</strong> {told.hint}
        </p>
      )}
    </li>
  );
}

export function CanvasPanel() {
  const { state, words } = useUi();
  const [editing, setEditing] = useState<string | undefined>(undefined);
  const canvases = state.settings.canvases ?? [];
  if (editing !== undefined) {
    return (
      <Panel title={words.canvases}>
        <CanvasForm key={editing} saved={canvases.find((each) => each.id === editing)} onDone={() => setEditing(undefined)} />
      </Panel>
    );
  }
  return (
    <Panel title={words.canvases}>
      <div class="destination-list">
        {canvases.length > 0 && (
          <ul>
            {canvases.map((each) => (
              <Row key={each.id} canvas={each} onEdit={() => setEditing(each.id)} />
            ))}
          </ul>
        )}
        {canvases.length === 0 && <p class="quiet">{words.canvasesText}</p>}
        {canvases.length < MOST_CANVASES && (
          <button type="button" class="button small" data-testid="canvas-add" title={words.canvasesText} onClick={() => setEditing('')}>
            <Icon name="plus" size={16} />
            <span>{words.canvasesAdd}</span>
          </button>
        )}
      </div>
    </Panel>
  );
}

/** Which canvas something takes; nothing to choose where there is only the main one. */
export function CanvasChoice({ value, testid, disabled, onChange }: { value?: string; testid: string; disabled?: boolean; onChange(id?: string): void }) {
  const { state, words } = useUi();
  const canvases = state.settings.canvases ?? [];
  if (canvases.length === 0) return null;
  const chosen = canvases.some((each) => each.id === value) ? value : undefined;
  return (
    <Field label={words.canvasesTakes} wide>
      <Select
        value={chosen ?? ''}
        options={[{ value: '', label: words.canvasesMain }, ...canvases.map((each) => ({ value: each.id, label: each.name }))]}
        testid={testid}
        disabled={disabled}
        onChange={(id) => onChange(id === '' ? undefined : id)}
      />
    </Field>
  );
}
