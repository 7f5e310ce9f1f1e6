/** Where a stream is sent on to: how each place is doing, one more, one less, again now. */
import { useState } from 'preact/hooks';
import { api, type Forward, type NewForward } from './api';
import { useDesk } from './context';
import { bitrate, duration, size } from './figures';
import { Dialog } from './parts';
import { isWord } from './words';

const LEVELS = { waiting: 'offline', connecting: 'warning', live: 'good', reconnecting: 'warning', failed: 'bad' } as const;

export function Forwards({ stream, forwards }: { stream: string; forwards: Forward[] }) {
  const { say, tell, fail } = useDesk();
  const [adding, setAdding] = useState(false);
  const [going, setGoing] = useState<Forward>();
  async function remove(forward: Forward) {
    setGoing(undefined);
    try {
      await api.removeForward(forward);
      tell(say('forwardRemoved', { name: forward.name }));
    } catch (error) {
      fail(error);
    }
  }
  return (
    <section class="panel" data-testid="forwards">
      <header class="panel-head">
        <h3>{say('forwards')}</h3>
        <button type="button" class="quiet" onClick={() => setAdding(true)} data-testid="add-forward">{say('forwardAdd')}</button>
      </header>
      {forwards.length === 0 ? <p class="empty">{say('forwardsNone')}</p> : null}
      <ul class="forwards">
        {forwards.map((forward) => (
          <li key={forward.name} data-testid={`forward-${forward.name}`} data-state={forward.state}>
            <div class="forward-name">
              <b>{forward.name}</b>
              <small class="mono">{forward.url}</small>
            </div>
            <div class="forward-state">
              <span class={`health ${LEVELS[forward.state]}`}>
                <i aria-hidden="true" />
                {say(`state_${forward.state}`)}
              </span>
              <small class="number">{figures(forward, say)}</small>
            </div>
            <div class="forward-acts">
              {forward.state === 'reconnecting' || forward.state === 'failed' ? (
                <button type="button" class="quiet" onClick={() => void api.retryForward(forward).catch(fail)} data-testid={`retry-${forward.name}`}>{say('forwardRetry')}</button>
              ) : null}
              {forward.origin === 'configuration' ? (
                <small>{say('forwardFixed')}</small>
              ) : (
                <button type="button" class="quiet danger" onClick={() => setGoing(forward)} data-testid={`remove-${forward.name}`}>{say('forwardRemove')}</button>
              )}
            </div>
            {forward.code ? <Why forward={forward} /> : null}
          </li>
        ))}
      </ul>
      {adding ? <Add stream={stream} onClose={() => setAdding(false)} /> : null}
      {going ? (
        <Dialog title={say('forwardRemoveTitle', { stream, name: going.name })} onClose={() => setGoing(undefined)}>
          <div class="buttons">
            <button type="button" class="secondary" onClick={() => setGoing(undefined)}>{say('cancel')}</button>
            <button type="button" class="primary danger" onClick={() => void remove(going)} data-testid="remove-now">{say('forwardRemove')}</button>
          </div>
        </Dialog>
      ) : null}
    </section>
  );
}

function figures(forward: Forward, say: ReturnType<typeof useDesk>['say']): string {
  const found = [];
  if (forward.state === 'live') found.push(bitrate(forward.bitrate_kbps));
  if (forward.round_trip_ms !== null) found.push(duration(forward.round_trip_ms));
  if (forward.sent_bytes_total > 0) found.push(say('forwardSent', { size: size(forward.sent_bytes_total) }));
  if (forward.reconnects > 0) found.push(say('forwardAgain', { n: forward.reconnects }));
  return found.join(' · ');
}

/** Why it is not live: in words where the code is known here, in the server's own where it isn't. */
function Why({ forward }: { forward: Forward }) {
  const { say } = useDesk();
  const word = `why_${forward.code}`;
  const known = isWord(word);
  return (
    <p class="why" title={[forward.message, forward.hint].filter((each) => each).join('. ')}>
      {known ? say(word) : <span lang="en">{[forward.message, forward.hint].filter((each) => each).join('. ')}</span>} <code>{forward.code}</code>
    </p>
  );
}

function Add({ stream, onClose }: { stream: string; onClose: () => void }) {
  const { say, tell, fail } = useDesk();
  const [wish, setWish] = useState<Required<NewForward>>({ name: '', url: '', key: '', passphrase: '' });
  const change = (part: Partial<NewForward>) => setWish({ ...wish, ...part });
  const srt = wish.url.startsWith('srt://');
  async function add(event: Event) {
    event.preventDefault();
    const { name, url, key, passphrase } = wish;
    try {
      await api.addForward(stream, { name, url: url.trim(), ...(key ? { key } : {}), ...(srt && passphrase ? { passphrase } : {}) });
      tell(say('forwardAdded', { name }));
      onClose();
    } catch (error) {
      fail(error);
    }
  }
  return (
    <Dialog title={say('forwardAdd')} onClose={onClose}>
      <p>{say('forwardLead')}</p>
      <form onSubmit={add}>
        <label class="field">
          <span>{say('forwardName')}</span>
          <input type="text" required pattern="[A-Za-z0-9_\-]+" maxLength={64} title={say('forwardNameHint')} placeholder={say('forwardNameHint')} value={wish.name} data-testid="forward-name" onInput={(event) => change({ name: event.currentTarget.value })} />
        </label>
        <label class="field">
          <span>{say('forwardUrl')}</span>
          <input type="text" inputMode="url" required pattern="\s*(rtmps?|srt|https?|udp|tcp)://.+" placeholder="rtmp://host/app" autocomplete="off" spellcheck={false} value={wish.url} data-testid="forward-url" onInput={(event) => change({ url: event.currentTarget.value })} />
        </label>
        <label class="field">
          <span>{say('forwardKey')}</span>
          <input type="password" autocomplete="off" placeholder={say('forwardSecret')} value={wish.key} data-testid="forward-key" onInput={(event) => change({ key: event.currentTarget.value })} />
        </label>
        {srt ? (
          <label class="field">
            <span>{say('forwardPassphrase')}</span>
            <input type="password" autocomplete="off" value={wish.passphrase} onInput={(event) => change({ passphrase: event.currentTarget.value })} />
          </label>
        ) : null}
        <div class="buttons">
          <button type="button" class="secondary" onClick={onClose}>{say('cancel')}</button>
          <button type="submit" class="primary" data-testid="forward-add-now">{say('forwardAdd')}</button>
        </div>
      </form>
    </Dialog>
  );
}
