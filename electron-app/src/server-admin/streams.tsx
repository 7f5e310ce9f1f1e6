/** All streams, and the one that is looked at. */
import { useState } from 'preact/hooks';
import type { Overview, Stream } from './api';
import { useDesk } from './context';
import { bitrate } from './figures';
import { StreamDetail } from './stream_detail';

export function Streams({ overview }: { overview: Overview }) {
  const { say } = useDesk();
  const [chosen, choose] = useState<string>();
  const { streams } = overview;
  // The one that was chosen, else one that is live, else any.
  const shown = streams.find((each) => each.name === chosen) ?? streams.find((each) => each.live) ?? streams[0];
  if (!shown) return <p class="empty">{say('noStreams')}</p>;
  return (
    <div class="desk">
      <nav class="cards" aria-label={say('streams')}>
        {streams.map((stream) => (
          <Card key={stream.name} stream={stream} at={overview.at_ms} current={stream.name === shown.name} onChoose={() => choose(stream.name)} />
        ))}
      </nav>
      <StreamDetail key={shown.name} stream={shown} overview={overview} />
    </div>
  );
}

function Card({ stream, at, current, onChoose }: { stream: Stream; at: number; current: boolean; onChoose: () => void }) {
  const { say } = useDesk();
  const watching = Object.values(stream.readers).reduce((sum, each) => sum + each, 0);
  return (
    <button type="button" class="card" aria-current={current ? 'true' : undefined} onClick={onChoose} data-testid={`stream-${stream.name}`} data-live={stream.live}>
      <Thumbnail stream={stream} at={at} />
      <span class="card-text">
        <b>{stream.name}</b>
        <Health stream={stream} />
        <small>{stream.live ? `${bitrate(stream.bitrate_kbps)} · ${say('readers')} ${watching}` : ' '}</small>
      </span>
    </button>
  );
}

/** The last keyframe, five seconds old at the most. */
export function Thumbnail({ stream, at }: { stream: Stream; at: number }) {
  const { say } = useDesk();
  const [failed, setFailed] = useState(0);
  const beat = Math.floor(at / 5000);
  if (!stream.live || !stream.video_codec || failed === beat) return <span class="thumbnail">{stream.live ? say('noPicture') : ''}</span>;
  return (
    <span class="thumbnail">
      <img src={`/api/v1/admin/streams/${stream.name}/thumbnail?${beat}`} alt="" onError={() => setFailed(beat)} data-testid={`thumbnail-${stream.name}`} />
    </span>
  );
}

export function Health({ stream }: { stream: Stream }) {
  const { say } = useDesk();
  const { level } = stream.health;
  const text = level === 'offline' ? say('offline') : level === 'good' ? say('live') : say(level);
  return (
    <span class={`health ${level}`} data-testid={`health-${stream.name}`}>
      <i aria-hidden="true" />
      {text}
    </span>
  );
}
