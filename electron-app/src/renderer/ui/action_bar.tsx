/** The two acts that matter: capture, and go live. */
import { isCapturing, isPublishing, isRecording } from '../actions';
import type { PageState } from '../store';
import { useUi } from './context';
import { isWhipAddress, type WhipDraft } from './destination_panel';
import { Icon } from './icons';

export function canGoLive(state: PageState, draft: WhipDraft): boolean {
  if (state.chosen === undefined) return false;
  switch (state.settings.destination) {
    case 'local':
      return true;
    case 'whip':
      return isWhipAddress(draft.url);
    case 'list':
      return state.settings.localInList || state.settings.destinations.some((each) => each.on);
  }
}

export function ActionBar({ draft }: { draft: WhipDraft }) {
  const { state, actions, words } = useUi();
  const capturing = isCapturing(state);
  const publishing = isPublishing(state);
  const ready = state.host.kind === 'running' && state.busy === undefined;
  return (
    <div class="actions">
      {capturing ? (
        <button
          type="button"
          class="button big"
          title={publishing ? words.stopLiveNote : isRecording(state) ? words.stopRecordingNote : words.stopTitle}
          disabled={!ready}
          data-testid="stop"
          onClick={() => void actions.stop()}
        >
          <Icon name="stop" />
          <span>{words.stop}</span>
        </button>
      ) : (
        <button
          type="button"
          class="button big primary"
          title={words.startTitle}
          disabled={!ready || state.chosen === undefined}
          data-testid="start"
          onClick={() => void actions.start()}
        >
          <Icon name="play" />
          <span>{state.busy === 'start' ? words.starting : words.start}</span>
        </button>
      )}
      {publishing ? (
        <button
          type="button"
          class="button big danger-outline"
          title={words.endLiveTitle}
          disabled={!ready}
          data-testid="end-live"
          onClick={() => void actions.endLive()}
        >
          <Icon name="stop" />
          <span>{words.endLive}</span>
        </button>
      ) : (
        <button
          type="button"
          class={`button big ${capturing ? 'danger' : 'danger-quiet'}`}
          title={words.goLiveTitle}
          disabled={!ready || !canGoLive(state, draft)}
          data-testid="go-live"
          onClick={() => void actions.goLive(draft)}
        >
          <Icon name="broadcast" />
          <span>{words.goLive}</span>
        </button>
      )}
    </div>
  );
}
