/** What the keys of the window and the hot keys both do: as the buttons, and only where the button could be pressed. */
import type { Act } from '../shared/act_keys';
import { isCapturing, isPublishing, type Actions } from './actions';
import type { Store } from './store';
import { canGoLive } from './ui/action_bar';
import type { WhipDraft } from './ui/destination_panel';

/** Whether it could be done now. */
export function perform(act: Act, store: Store, actions: Actions, draft: WhipDraft): boolean {
  const state = store.get();
  if (state.host.kind !== 'running') return false;
  const free = state.busy === undefined;
  switch (act) {
    case 'go_live':
      if (!free || isPublishing(state) || !canGoLive(state, draft)) return false;
      void actions.goLive(draft);
      return true;
    case 'end_live':
      if (!free || !isPublishing(state)) return false;
      void actions.endLive();
      return true;
    case 'record':
      if (!isCapturing(state)) return false;
      void actions.toggleRecording();
      return true;
    case 'save_replay':
      if (state.state?.replay !== true) return false;
      void actions.saveReplay();
      return true;
    case 'reconnect': {
      const waiting = (state.state?.destinations ?? []).filter((each) => each.state.kind === 'reconnecting' || each.state.kind === 'failed');
      for (const { id } of waiting) void actions.retryDestination(id);
      return waiting.length > 0;
    }
  }
}
