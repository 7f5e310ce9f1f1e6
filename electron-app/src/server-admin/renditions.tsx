/** The qualities that a stream's viewers may choose: which are made or published now, and why one is not offered. */
import type { Rendition, Stream } from './api';
import { useDesk } from './context';
import { bitrate } from './figures';
import { isWord } from './words';

const LEVELS = { idle: 'offline', running: 'good', unavailable: 'bad' } as const;

export function Renditions({ stream }: { stream: Stream }) {
  const { say } = useDesk();
  if (stream.renditions.length === 0) return null;
  return (
    <section class="panel">
      <h3>{say('renditions')}</h3>
      <table class="rows" data-testid="renditions">
        <thead>
          <tr>
            <th>{say('quality')}</th>
            <th>{say('picture')}</th>
            <th>{say('bitrate')}</th>
            <th>{say('state')}</th>
            <th>{say('whepReaders')}</th>
          </tr>
        </thead>
        <tbody>
          {stream.renditions.map((rendition) => (
            <tr key={rendition.name} data-testid={`rendition-${rendition.name}`} data-state={rendition.state}>
              <td><b>{rendition.name === 'source' ? say('source') : rendition.name}</b></td>
              <td class="number">{rendition.width} × {rendition.height}</td>
              <td class="number">{bitrate(rendition.bitrate_kbps)}</td>
              <td><State rendition={rendition} /></td>
              <td class="number" data-label={say('whepReaders')}>{rendition.viewers}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function State({ rendition }: { rendition: Rendition }) {
  const { say } = useDesk();
  const paused = rendition.code === 'layer_paused';
  const word = rendition.published && rendition.state !== 'unavailable' ? 'rendition_published' : `rendition_${rendition.state}` as const;
  const why = `why_${rendition.code ?? ''}`;
  return (
    <>
      <span class={`health ${paused ? 'warning' : LEVELS[rendition.state]}`}>
        <i aria-hidden="true" />
        {say(word)}
      </span>
      {rendition.code ? <small> {isWord(why) ? say(why) : rendition.code}</small> : null}
    </>
  );
}
