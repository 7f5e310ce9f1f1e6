/** What the page sees of the engine's state, with what only the studio knows. Pure. */
import type { StateView } from '../shared/contract';
import type { State } from '../shared/model';
import type { Session } from '../shared/session';
import { allTogether } from './live_state';

/** The engine's own name for what `start_publish` started. */
const PUBLISH_ID = 'publish';

interface Known {
  publish: Session['publish'];
  /** Something of the list of destinations is on. */
  listIsLive: boolean;
  /** The first live moment, through reconnections and restarts of the engine. */
  liveSince: number | undefined;
}

export function stateView(state: State, known: Known): StateView {
  const { capture, settings, sourceId, scene, sources, area, audio, hotKeysProblem, encoder, refusedEncoders, constantRate, localServer } = state;
  const publish = allTogether(state.publish, state.destinations);
  return {
    capture,
    publish: publish.kind === 'live' ? { kind: 'live', sinceMs: known.liveSince ?? publish.sinceMs } : publish,
    settings,
    sourceId,
    scene,
    sources,
    area,
    audio,
    hotKeysProblem: hotKeysProblem ?? undefined,
    encoder,
    constantRate,
    refusedEncoders,
    viewLink:
      localServer === undefined || localServer === null
        ? undefined
        : { url: localServer.viewUrl, loopbackUrl: localServer.loopbackViewUrl, reach: localServer.reach },
    publishingTo: publishingTo(known),
    destinations: state.destinations.filter((each) => each.id !== PUBLISH_ID),
    canvases: state.canvases,
    recording: state.recording ?? undefined,
    replay: state.replay,
  };
}

function publishingTo({ publish, listIsLive }: Known): StateView['publishingTo'] {
  if (publish === undefined) return listIsLive ? 'list' : undefined;
  return publish.kind === 'whip' ? 'whip' : 'local';
}
