/** One stream: its figures, its chart, what viewers report, and who is here. */
import { useEffect, useState } from 'preact/hooks';
import { api, type Overview, type Reports, type Session, type Stream } from './api';
import { useDesk } from './context';
import { Forwards } from './forwards';
import { bitrate, ceiling, chartPath, clock, duration, percent } from './figures';
import { Choice, Dialog, Figure } from './parts';
import { Renditions } from './renditions';
import { Health } from './streams';
import { isWord } from './words';

/** Samples of a chart, one a second: five minutes, as the server keeps them. */
const MOST = 300;

export function StreamDetail({ stream, overview }: { stream: Stream; overview: Overview }) {
  const { say } = useDesk();
  const here = overview.sessions.filter((each) => each.stream === stream.name);
  const readers = Object.values(stream.readers).reduce((sum, each) => sum + each, 0);
  return (
    <section class="detail" data-testid="detail">
      <header class="detail-head">
        <h2>{stream.name}</h2>
        <Health stream={stream} />
        <a class="quiet" href={`/v/${stream.name}`} target="_blank" rel="noopener">{say('watch')}</a>
      </header>
      {stream.health.reasons.length > 0 || stream.notice ? (
        <ul class="reasons" data-testid="reasons">
          {stream.health.reasons.map((reason) => {
            const word = `reason_${reason}`;
            return isWord(word) ? <li key={reason}>{say(word)}</li> : null;
          })}
          {stream.notice ? <li lang="en">{stream.notice}</li> : null}
        </ul>
      ) : null}
      <dl class="figures">
        <Figure name={say('picture')} value={stream.video_codec ?? '–'} note={stream.live && stream.width && stream.height ? `${stream.width} × ${stream.height}` : undefined} />
        <Figure name={say('sound')} value={stream.audio_codec ? 'Opus' : stream.live ? say('none') : '–'} />
        <Figure name={say('rate')} value={stream.live ? `${stream.fps.toFixed(stream.fps < 10 ? 1 : 0)} fps` : '–'} />
        <Figure name={say('cameBy')} value={stream.protocol?.toUpperCase() ?? '–'} />
        <Figure name={say('since')} value={stream.since_ms === null ? '–' : clock(overview.at_ms - stream.since_ms)} />
        <Figure name={say('loss')} value={stream.publisher_loss === null ? '–' : percent(stream.publisher_loss)} note={stream.publisher_rtt_ms === null ? undefined : duration(stream.publisher_rtt_ms)} hint={`${say('loss')} · ${say('trip')}`} />
        <Figure name={say('readers')} value={String(readers)} note={`${say('whep')} ${stream.readers['whep'] ?? 0} · HLS ${stream.readers['hls'] ?? 0}`} />
      </dl>
      <Chart stream={stream} at={overview.at_ms} />
      <Renditions stream={stream} />
      <ReportPanel reports={stream.reports} />
      <Forwards stream={stream.name} forwards={overview.forwards.filter((each) => each.stream === stream.name)} />
      <Sessions sessions={here} at={overview.at_ms} more={overview.sessions_total - overview.sessions.length} />
    </section>
  );
}

function Chart({ stream, at }: { stream: Stream; at: number }) {
  const { say, fail } = useDesk();
  const [values, setValues] = useState<readonly number[]>();
  useEffect(() => {
    let over = false;
    api.history(stream.name).then(
      (history) => (over ? undefined : setValues(history.bitrate_kbps)),
      (error: unknown) => (over ? undefined : fail(error)),
    );
    return () => {
      over = true;
    };
  }, [stream.name]);
  // Each look at the server adds a sample; `at` changes with it.
  useEffect(() => setValues((before) => before && [...before, stream.bitrate_kbps].slice(-MOST)), [at]);
  const shown = values ?? [];
  const [width, height] = [900, 140];
  const top = ceiling(Math.max(500, ...shown));
  const line = chartPath(shown, MOST, width, height, top);
  const left = width - (width / (MOST - 1)) * (shown.length - 1);
  return (
    <figure class="panel chart">
      <figcaption>
        <span>{say('bitrateChart')}</span>
        <b data-testid="bitrate">{stream.live ? bitrate(stream.bitrate_kbps) : '–'}</b>
      </figcaption>
      <div class="plot">
        <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={say('bitrateChart')} data-testid="chart">
          <path class="grid" d={`M0 2H${width}M0 ${height / 2}H${width}M0 ${height - 2}H${width}`} />
          {shown.length > 1 ? <path class="area" d={`${line}V${height}H${left.toFixed(1)}Z`} /> : null}
          {shown.length > 1 ? <path class="line" d={line} /> : null}
        </svg>
        <span class="scale top">{bitrate(top)}</span>
        <span class="scale middle">{bitrate(top / 2)}</span>
      </div>
    </figure>
  );
}

function ReportPanel({ reports }: { reports: Reports }) {
  const { say } = useDesk();
  const or = (value: number | null) => (value === null ? '–' : duration(value));
  return (
    <section class="panel" data-testid="reports" data-viewers={reports.viewers}>
      <h3>
        {say('reports')}
        {reports.viewers > 0 ? <small>{say('reportsOf', { n: reports.viewers })}</small> : null}
      </h3>
      {reports.viewers === 0 ? (
        <p class="empty">{say('reportsNone')}</p>
      ) : (
        <dl class="figures plain">
          <Figure name={say('join')} value={or(reports.join_ms_p50)} note={reports.join_ms_p95 === null ? undefined : `${say('joinWorst')} ${duration(reports.join_ms_p95)}`} />
          <Figure name={say('delay')} value={or(reports.delay_ms_p50)} />
          <Figure name={say('freezes')} value={reports.freezes_per_hour.toFixed(1)} />
          <Figure name={say('frozen')} value={percent(reports.frozen_share)} />
        </dl>
      )}
    </section>
  );
}

function Sessions({ sessions, at, more }: { sessions: Session[]; at: number; more: number }) {
  const { say } = useDesk();
  const [going, setGoing] = useState<Session>();
  return (
    <section class="panel">
      <h3>{say('sessions')}</h3>
      {sessions.length === 0 ? (
        <p class="empty">{say('sessionsNone')}</p>
      ) : (
        <table class="rows" data-testid="sessions">
          <thead>
            <tr>
              <th>{say('role')}</th>
              <th>{say('by')}</th>
              <th>{say('address')}</th>
              <th>{say('duration')}</th>
              <th>{say('key')}</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {sessions.map((session) => (
              <tr key={session.id} data-testid={`session-${session.role}`}>
                <td>{session.role === 'publish' ? <b>{say('publisher')}</b> : say('viewer')}</td>
                <td>{session.protocol === 'hls' ? 'HLS' : session.protocol.toUpperCase()}</td>
                <td class="mono">{session.address}</td>
                <td class="number">{clock(at - session.since_ms)}</td>
                <td class={session.key ? 'mono' : 'nothing'}>{session.key ?? '–'}</td>
                <td class="end">
                  <button type="button" class="quiet danger" onClick={() => setGoing(session)} data-testid={`send-away-${session.role}`}>{say('sendAway')}</button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {more > 0 ? <p class="empty">{say('sessionsMore', { n: more })}</p> : null}
      {going ? <SendAway session={going} onClose={() => setGoing(undefined)} /> : null}
    </section>
  );
}

function SendAway({ session, onClose }: { session: Session; onClose: () => void }) {
  const { say, tell, fail } = useDesk();
  const [seconds, setSeconds] = useState('60');
  const who = `${say(session.role === 'publish' ? 'publisher' : 'viewer')} ${session.address}`;
  async function go() {
    onClose();
    try {
      await api.sendAway(session.id, Number(seconds));
      tell(say('sentAway'));
    } catch (error) {
      fail(error);
    }
  }
  const times = [['0', say('noKeepOut')], ['60', say('minutes', { n: 1 })], ['600', say('minutes', { n: 10 })], ['3600', say('minutes', { n: 60 })]] as const;
  return (
    <Dialog title={say('sendAwayTitle', { who })} onClose={onClose}>
      <p>{say('sendAwayLead')}</p>
      <Choice name={say('keepOut')} value={seconds} of={times} onChange={setSeconds} testId="keep-out" />
      <div class="buttons">
        <button type="button" class="secondary" onClick={onClose}>{say('cancel')}</button>
        <button type="button" class="primary danger" onClick={() => void go()} data-testid="send-away-now">{say('sendAway')}</button>
      </div>
    </Dialog>
  );
}
