/** One word for many destinations: what the badge and the timer show. Pure. */
import type { DestinationState, PublishState } from '../shared/model';

/**
 * `publish` where it says anything; else the best of the list: live if one is, as then somebody can see the stream.
 */
export function allTogether(publish: PublishState, destinations: readonly DestinationState[]): PublishState {
  if (publish.kind !== 'idle') return publish;
  const states = destinations.map((each) => each.state);
  const live = states.flatMap((state) => (state.kind === 'live' ? [state.sinceMs] : []));
  if (live.length > 0) return { kind: 'live', sinceMs: Math.min(...live) };
  // A failed one among resting ones is no stream: the list's own row says why.
  return (
    states.find((state) => state.kind === 'reconnecting') ?? states.find((state) => state.kind === 'connecting') ?? { kind: 'idle' }
  );
}
