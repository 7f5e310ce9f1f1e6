/** Keys: made, shown once, revoked. */
import { useEffect, useState } from 'preact/hooks';
import { api, type Key, type Wish } from './api';
import { useDesk } from './context';
import { Choice, Dialog } from './parts';

export function Keys({ streams }: { streams: string[] }) {
  const { say, tell, fail, language } = useDesk();
  const [listed, setListed] = useState<{ kept: boolean; keys: Key[] }>();
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Key>();
  const load = () => api.keys().then(setListed, fail);
  useEffect(() => void load(), []);
  const day = (ms: number) => new Date(ms).toLocaleDateString(language === 'zh' ? 'zh-CN' : 'en-GB', { year: 'numeric', month: 'short', day: 'numeric' });
  async function revoke(key: Key) {
    setRevoking(undefined);
    try {
      const { ended } = await api.revokeKey(key.id);
      tell(say('revoked', { n: ended }));
    } catch (error) {
      fail(error);
    }
    await load();
  }
  return (
    <section class="page">
      <header class="page-head">
        <p class="lead">{say('keysLead')}</p>
        <button type="button" class="primary" onClick={() => setMaking(true)} data-testid="make-key">{say('makeKey')}</button>
      </header>
      {listed && !listed.kept ? <p class="note">{say('keysNotKept')}</p> : null}
      {listed === undefined ? null : listed.keys.length === 0 ? (
        <p class="panel empty">{say('keysNone')}</p>
      ) : (
        <div class="panel">
          <table class="rows" data-testid="keys">
            <thead>
              <tr>
                <th>{say('label')}</th>
                <th>{say('stream')}</th>
                <th>{say('act')}</th>
                <th>{say('key')}</th>
                <th>{say('made')}</th>
                <th>{say('goodUntil')}</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {listed.keys.map((key) => (
                <tr key={key.id} data-testid={`key-${key.id}`}>
                  <td><b>{key.label || '–'}</b></td>
                  <td>{key.stream}</td>
                  <td>
                    {say(key.act)}
                    {key.most_viewers > 0 ? <small> ≤ {key.most_viewers}</small> : null}
                  </td>
                  <td class="mono">{key.id}</td>
                  <td>{day(key.created_ms)}</td>
                  <td>{key.expires_ms === null ? say('forever') : day(key.expires_ms)}</td>
                  <td class="end">
                    <button type="button" class="quiet danger" onClick={() => setRevoking(key)} data-testid={`revoke-${key.id}`}>{say('revoke')}</button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {making ? <MakeKey streams={streams} onClose={() => { setMaking(false); void load(); }} /> : null}
      {revoking ? (
        <Dialog title={say('revokeTitle', { who: revoking.label || revoking.id })} onClose={() => setRevoking(undefined)}>
          <p>{say('revokeLead')}</p>
          <div class="buttons">
            <button type="button" class="secondary" onClick={() => setRevoking(undefined)}>{say('cancel')}</button>
            <button type="button" class="primary danger" onClick={() => void revoke(revoking)} data-testid="revoke-now">{say('revoke')}</button>
          </div>
        </Dialog>
      ) : null}
    </section>
  );
}

function MakeKey({ streams, onClose }: { streams: string[]; onClose: () => void }) {
  const { say, fail } = useDesk();
  const [wish, setWish] = useState<Wish>({ stream: streams[0] ?? '', act: 'publish', label: '', days: null, most_viewers: 0 });
  const [secret, setSecret] = useState('');
  const [copied, setCopied] = useState(false);
  const change = (part: Partial<Wish>) => setWish({ ...wish, ...part });
  async function make(event: Event) {
    event.preventDefault();
    try {
      setSecret((await api.makeKey(wish)).secret);
    } catch (error) {
      fail(error);
    }
  }
  if (secret) {
    return (
      <Dialog title={say('makeKey')} onClose={onClose}>
        <p>{say('keyShown')}</p>
        <code class="secret" data-testid="secret">{secret}</code>
        <div class="buttons">
          {/* Only in secure contexts may a page write to the clipboard. */}
          {navigator.clipboard ? (
            <button type="button" class="secondary" onClick={() => void navigator.clipboard.writeText(secret).then(() => setCopied(true))}>{say(copied ? 'copied' : 'copy')}</button>
          ) : null}
          <button type="button" class="primary" onClick={onClose} data-testid="secret-seen">{say('close')}</button>
        </div>
      </Dialog>
    );
  }
  const acts = [['publish', say('publish')], ['view', say('view')]] as const;
  const days = [['', say('forever')], ['1', say('oneDay')], ['7', say('days', { n: 7 })], ['30', say('days', { n: 30 })], ['365', say('days', { n: 365 })]] as const;
  return (
    <Dialog title={say('makeKey')} onClose={onClose}>
      <form onSubmit={make}>
        <label class="field">
          <span>{say('label')}</span>
          <input type="text" maxLength={80} placeholder={say('labelHint')} value={wish.label} data-testid="key-label" onInput={(event) => change({ label: event.currentTarget.value })} />
        </label>
        <div class="pair">
          <Choice name={say('stream')} value={wish.stream} of={streams.map((each) => [each, each] as const)} onChange={(stream) => change({ stream })} testId="key-stream" />
          <Choice name={say('act')} value={wish.act} of={acts} onChange={(act) => change({ act, most_viewers: 0 })} testId="key-act" />
        </div>
        <div class="pair">
          <Choice name={say('expires')} value={wish.days === null ? '' : (String(wish.days) as '1' | '7' | '30' | '365')} of={days} onChange={(value) => change({ days: value === '' ? null : Number(value) })} testId="key-days" />
          {wish.act === 'view' ? (
            <label class="field">
              <span>{say('mostViewers')}</span>
              <input type="number" min={0} max={100000} placeholder={say('noLimit')} value={wish.most_viewers || ''} data-testid="key-viewers" onInput={(event) => change({ most_viewers: Number(event.currentTarget.value) || 0 })} />
            </label>
          ) : null}
        </div>
        <div class="buttons">
          <button type="button" class="secondary" onClick={onClose}>{say('cancel')}</button>
          <button type="submit" class="primary" data-testid="make-key-now">{say('make')}</button>
        </div>
      </form>
    </Dialog>
  );
}
