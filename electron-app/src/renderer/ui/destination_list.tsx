/** Several places at once: each with its switch, its state and its figures. */
import { useState } from 'preact/hooks';
import { hostOf, LOCAL_ID, type PublicDestination, type SavedDestination } from '../../shared/destinations';
import { sayProblem, type Dictionary } from '../../shared/i18n/index';
import type { DestinationState, DestinationStats } from '../../shared/model';
import { chosenOf } from '../../shared/primaries';
import { isPublishing } from '../actions';
import { CodecRefused } from './codec_field';
import { useUi } from './context';
import { IconButton, Switch } from './controls';
import { DestinationForm } from './destination_form';
import { DestinationProfiles } from './destination_profiles';
import { Icon } from './icons';
import { Sparkline } from './sparkline';

type Row = Pick<SavedDestination, 'id' | 'name' | 'url' | 'on' | 'canvas'> & Pick<PublicDestination, 'sdpFile'> & { kind: string };

function stateWord(words: Dictionary, its: DestinationState | undefined): string {
  switch (its?.state.kind) {
    case 'live':
      return words.live;
    case 'connecting':
      return words.connecting;
    case 'reconnecting':
      return words.reconnecting;
    case 'failed':
      return words.destinationFailed;
    default:
      return '';
  }
}

function Figures({ stats }: { stats: DestinationStats }) {
  const { words, say } = useUi();
  const parts = [
    `${Math.round(stats.sentKbps)} kbit/s`,
    stats.roundTripMs === undefined || stats.roundTripMs === null ? '' : `${words.roundTrip} ${stats.roundTripMs.toFixed(0)} ms`,
    stats.loss === undefined || stats.loss === null || stats.loss < 0.005 ? '' : `${words.loss} ${(stats.loss * 100).toFixed(1)} %`,
    stats.queueMs >= 500 ? `${words.destinationQueue} ${(stats.queueMs / 1000).toFixed(1)} s` : '',
    stats.encodings > 1 ? say('destinationEncodings', { count: stats.encodings }) : '',
    stats.droppedUnits > 0 ? say('destinationDropped', { count: stats.droppedUnits }) : '',
  ];
  return (
    <span class="destination-figures" data-testid={`destination-figures-${stats.id}`}>
      {parts.filter((part) => part !== '').join(' · ')}
    </span>
  );
}

function Reason({ its }: { its: DestinationState }) {
  const { words, say } = useUi();
  if (its.problem === undefined || its.problem === null) return null;
  const { message, hint } = sayProblem(words, its.problem);
  const { state } = its;
  const next =
    state.kind === 'reconnecting' ? say('destinationRetry', { attempt: state.attempt, seconds: Math.max(1, Math.round(state.retryInMs / 1000)) }) : '';
  return (
    <p class={`destination-reason${state.kind === 'failed' ? ' bad' : ''}`} data-testid={`destination-reason-${its.id}`} data-code={its.problem.code}>
      <strong>{message}</strong> {hint} {next}
    </p>
  );
}

/** What a player must open to see an RTP stream. */
function PlayerFile({ file }: { file: string }) {
  const { actions, words } = useUi();
  return (
    <div class="destination-file">
      <span class="quiet" title={file}>
        {words.destinationPlayersOpen} <code>{file.replace(/^.*[/\\]/, '')}</code>
      </span>
      <button type="button" class="link" title={file} onClick={() => void actions.showSaved(file)}>
        {words.recordShow}
      </button>
    </div>
  );
}

function DestinationRow({ row, onEdit }: { row: Row; onEdit?(): void }) {
  const { state, actions, words } = useUi();
  const its = state.state?.destinations.find((each) => each.id === row.id);
  const stats = state.stats?.destinations.find((each) => each.id === row.id);
  const canvas = state.settings.canvases?.find((each) => each.id === row.canvas)?.name;
  const kind = its?.state.kind ?? 'idle';
  // The choice of one canvas is none of another's.
  const chosen = chosenOf(state.settings, row.canvas);
  const steers = its?.primary === true && kind !== 'idle';
  // One star: the choice where there is one. Who stands in for it while it is not live is said in words.
  const primary = chosen === undefined ? steers : chosen === row.id;
  const again = kind === 'reconnecting' || kind === 'failed';
  return (
    <li class="destination" data-testid={`destination-${row.id}`} data-state={kind}>
      <div class="destination-head">
        <span class={`destination-dot ${kind}`} aria-hidden="true" />
        <span class="destination-name" title={[hostOf(row.url), canvas].filter((word) => word !== undefined && word !== '').join(' · ')}>
          {row.name} {canvas !== undefined && <span class="quiet">{canvas}</span>}
        </span>
        <span class="destination-state" role="status">
          {stateWord(words, its)}
        </span>
        {again && (
          <IconButton icon="refresh" label={words.destinationRetryNow} testid={`destination-retry-${row.id}`} onClick={() => void actions.retryDestination(row.id)} />
        )}
        <IconButton
          icon="star"
          label={words.destinationPrimary}
          pressed={primary}
          testid={`destination-primary-${row.id}`}
          onClick={() => void actions.choosePrimary(row.id)}
        />
        {onEdit !== undefined && <IconButton icon="edit" label={words.destinationEdit} testid={`destination-edit-${row.id}`} onClick={onEdit} />}
        <Switch
          checked={row.on}
          label={`${words.destinationOn}: ${row.name}`}
          testid={`destination-on-${row.id}`}
          onChange={(on) => void actions.switchDestination(row.id, on)}
        />
      </div>
      {steers && !primary && (
        <p class="destination-reason" title={words.destinationSteersTitle} data-testid={`destination-steers-${row.id}`}>
          {words.destinationSteers}
        </p>
      )}
      {stats !== undefined && kind === 'live' && (
        <div class="destination-flow">
          <Sparkline id={row.id} value={stats.sentKbps} at={state.stats} label={words.sentBitrate} />
          <Figures stats={stats} />
        </div>
      )}
      {row.sdpFile !== undefined && kind !== 'idle' && <PlayerFile file={row.sdpFile} />}
      {its !== undefined && <Reason its={its} />}
      {row.on && kind === 'idle' && <CodecRefused canvas={row.canvas} kind={row.kind} testid={`destination-codec-${row.id}`} />}
    </li>
  );
}

/** One glance: which places get the stream now. */
export function WhereItGoes() {
  const { state, words } = useUi();
  const { settings } = state;
  const running = (state.state?.destinations ?? []).filter((each) => each.state.kind !== 'idle');
  if (running.length === 0) return null;
  return (
    <ul class="where-it-goes" aria-label={words.whereItGoes} data-testid="where-it-goes">
      {running.map((each) => (
        <li key={each.id} data-state={each.state.kind} title={stateWord(words, each)}>
          <span class={`destination-dot ${each.state.kind}`} aria-hidden="true" />
          {each.id === LOCAL_ID ? words.destinationLocal : (settings.destinations.find((saved) => saved.id === each.id)?.name ?? each.name)}
        </li>
      ))}
    </ul>
  );
}

export function DestinationList() {
  const { state, words } = useUi();
  const { settings } = state;
  const [editing, setEditing] = useState<string | undefined>(undefined);
  const edited = settings.destinations.find((each) => each.id === editing);
  if (editing !== undefined) return <DestinationForm saved={edited} onDone={() => setEditing(undefined)} />;
  const local: Row = { id: LOCAL_ID, name: words.destinationLocal, url: '', on: settings.localInList, kind: 'local_server' };
  return (
    <div class="destination-list">
      <DestinationProfiles />
      <ul>
        <DestinationRow row={local} />
        {settings.destinations.map((each) => (
          <DestinationRow key={each.id} row={{ ...each, name: each.name === '' ? hostOf(each.url) : each.name }} onEdit={() => setEditing(each.id)} />
        ))}
      </ul>
      <button type="button" class="button small" data-testid="destination-add" onClick={() => setEditing('')}>
        <Icon name="plus" size={16} />
        <span>{words.destinationAdd}</span>
      </button>
      {!isPublishing(state) && <p class="quiet">{words.destinationListText}</p>}
    </div>
  );
}
