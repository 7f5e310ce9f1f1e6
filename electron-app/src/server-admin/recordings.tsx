/** What was recorded: its rules and the room they have, each recording to be played, taken along and deleted. */
import { useEffect, useState } from 'preact/hooks';
import { api, wholeOf, type Recording, type Rule } from './api';
import { useDesk } from './context';
import { clock, size } from './figures';
import { Choice, Dialog, Figure } from './parts';
import { RecordingPlayer } from './player';

/** Shown at first; each press of the button shows as many more. */
const STEP = 50;

type Listed = { rules: Rule[]; recordings: Recording[] };

export function Recordings({ version }: { version: number }) {
  const { say, tell, fail, language } = useDesk();
  const [listed, setListed] = useState<Listed>();
  const [stream, setStream] = useState('');
  const [most, setMost] = useState(STEP);
  const [playing, setPlaying] = useState<Recording>();
  const [going, setGoing] = useState<Recording>();
  // Asked anew when the server says that something has changed.
  useEffect(() => {
    let over = false;
    api.recordings().then(
      (answer) => (over ? undefined : setListed(answer)),
      (error: unknown) => (over ? undefined : fail(error)),
    );
    return () => {
      over = true;
    };
  }, [version]);
  const when = (recording: Recording) => new Date(recording.began_ms).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB', { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
  async function remove(recording: Recording) {
    setGoing(undefined);
    try {
      await api.deleteRecording(recording);
      tell(say('removed'));
    } catch (error) {
      fail(error);
    }
  }
  if (!listed) return null;
  if (listed.rules.length === 0) return <section class="page"><p class="panel empty" data-testid="no-rules">{say('rulesNone')}</p></section>;
  const streams = [...new Set(listed.recordings.map((each) => each.stream))].sort();
  const found = listed.recordings.filter((each) => stream === '' || each.stream === stream);
  return (
    <section class="page">
      <header class="page-head">
        <p class="lead">{say('recordingsLead')}</p>
        {streams.length > 1 ? <Choice name={say('stream')} value={stream} of={[['', say('allStreams')], ...streams.map((each) => [each, each] as const)]} onChange={setStream} testId="recordings-of" /> : null}
      </header>
      {listed.rules.map((rule) => <RulePanel key={rule.name} rule={rule} />)}
      {found.length === 0 ? <p class="panel empty">{say('recordingsNone')}</p> : (
        <div class="panel">
          <table class="rows recordings" data-testid="recordings">
            <thead>
              <tr>
                <th>{say('stream')}</th>
                <th>{say('began')}</th>
                <th>{say('length')}</th>
                <th>{say('size')}</th>
                <th>{say('rule')}</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {found.slice(0, most).map((each) => (
                <Row key={`${each.rule}/${each.stream}/${each.id}`} recording={each} when={when(each)} onPlay={() => setPlaying(each)} onDelete={() => setGoing(each)} />
              ))}
            </tbody>
          </table>
          {found.length > most ? <button type="button" class="quiet" onClick={() => setMost(most + STEP)}>{say('recordingsMore', { n: Math.min(STEP, found.length - most) })}</button> : null}
        </div>
      )}
      {playing ? <RecordingPlayer recording={playing} title={`${playing.stream} · ${when(playing)}`} onClose={() => setPlaying(undefined)} /> : null}
      {going ? (
        <Dialog title={say('removeTitle')} onClose={() => setGoing(undefined)}>
          <p>{say('removeLead', { stream: going.stream, when: when(going), length: clock(going.duration_ms) })}</p>
          <div class="buttons">
            <button type="button" class="secondary" onClick={() => setGoing(undefined)}>{say('cancel')}</button>
            <button type="button" class="primary danger" onClick={() => void remove(going)} data-testid="delete-now">{say('remove')}</button>
          </div>
        </Dialog>
      ) : null}
    </section>
  );
}

function RulePanel({ rule }: { rule: Rule }) {
  const { say } = useDesk();
  const kept = [rule.keep_days === null ? null : say('keptDays', { n: rule.keep_days }), rule.keep_gb === null ? null : say('keptGb', { n: rule.keep_gb })].filter((each) => each !== null);
  const streams = rule.streams.includes('*') ? say('allStreams') : rule.streams.join(', ');
  return (
    <section class="panel rule" data-testid={`rule-${rule.name}`}>
      <div class="rule-name">
        <h3>{rule.name}<small>{streams} · {kept.length === 0 ? say('keptEver') : kept.join(' · ')}</small></h3>
        <p class="mono">{rule.place}</p>
      </div>
      <dl class="figures plain">
        <Figure name={say('holds')} value={String(rule.recordings)} />
        <Figure name={say('uses')} value={size(rule.bytes)} />
        <Figure name={say('room')} value={rule.free_bytes === null ? '–' : size(rule.free_bytes)} />
      </dl>
      {rule.fails ? <p class="reasons" role="alert">{say('storeFails')}</p> : null}
    </section>
  );
}

function Row({ recording, when, onPlay, onDelete }: { recording: Recording; when: string; onPlay: () => void; onDelete: () => void }) {
  const { say } = useDesk();
  const parts = Array.from({ length: recording.breaks + 1 }, (_, at) => at + 1);
  return (
    <tr data-testid="recording" data-open={recording.open}>
      <td>
        <b>{recording.stream}</b>
        {recording.width && recording.height ? <small> {recording.width} × {recording.height}</small> : null}
      </td>
      <td>{when}</td>
      <td class="number">
        {clock(recording.duration_ms)}
        {recording.lost_seconds > 0 ? <small> {say('lostSeconds', { n: Math.round(recording.lost_seconds) })}</small> : null}
      </td>
      <td class="number">{size(recording.bytes)}</td>
      <td>{recording.rule}</td>
      <td class="end">
        {recording.open ? <span class="health bad now"><i aria-hidden="true" />{say('recordingNow')}</span> : null}
        <button type="button" class="quiet" onClick={onPlay} data-testid="play">{say('play')}</button>
        {parts.map((part) => (
          <a key={part} class="quiet" href={wholeOf(recording, part)} download data-testid="download">{parts.length > 1 ? say('downloadPart', { n: part }) : say('download')}</a>
        ))}
        {recording.open ? null : <button type="button" class="quiet danger" onClick={onDelete} data-testid="delete">{say('remove')}</button>}
      </td>
    </tr>
  );
}
