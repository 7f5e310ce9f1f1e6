/** The live server's admin pages: one page, six tabs, alive by server-sent events. */
import { render } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Alerts } from './alerts';
import { api, Refused, watch, type Overview, type Status } from './api';
import { DeskContext, explain } from './context';
import { Door } from './door';
import { Keys } from './keys';
import { Log } from './log';
import { Mark } from './parts';
import { Recordings } from './recordings';
import { Settings } from './settings';
import { Streams } from './streams';
import { firstLanguage, keepLanguage, speaker, type Say } from './words';

const TABS = ['streams', 'recordings', 'alerts', 'keys', 'log', 'settings'] as const;
type Tab = (typeof TABS)[number];

const TOAST_MS = 5000;
const AGAIN_MS = 2000;

function tabOfAddress(): Tab {
  return TABS.find((tab) => location.hash === `#${tab}`) ?? 'streams';
}

function App() {
  const [language, setLanguage] = useState(firstLanguage);
  const say = useMemo(() => speaker(language), [language]);
  const [status, setStatus] = useState<Status>();
  const look = () =>
    api.status().then(setStatus, () => {
      setTimeout(look, AGAIN_MS);
    });
  useEffect(() => void look(), []);
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = `Tidecast · ${say('title')}`;
  }, [language]);
  function change() {
    const other = language === 'zh' ? 'en' : 'zh';
    keepLanguage(other);
    setLanguage(other);
  }
  const switcher = <button type="button" class="quiet" title={say('languageHint')} onClick={change} data-testid="language">{say('language')}</button>;
  if (!status) return null;
  if (!status.signed_in) return <Door status={status} say={say} onIn={() => setStatus({ ...status, signed_in: true })}>{switcher}</Door>;
  return <Inside say={say} language={language} switcher={switcher} onOut={() => void look()} />;
}

function Inside({ say, language, switcher, onOut }: { say: Say; language: string; switcher: preact.ComponentChild; onOut: () => void }) {
  const [tab, setTab] = useState(tabOfAddress);
  const [overview, setOverview] = useState<Overview>();
  const [lost, setLost] = useState(false);
  const [toast, setToast] = useState<{ text: string; bad: boolean }>();
  const timer = useRef(0);
  function tell(text: string, bad = false) {
    setToast({ text, bad });
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setToast(undefined), TOAST_MS);
  }
  function fail(error: unknown) {
    if (error instanceof Refused && error.status === 401) onOut();
    else tell(explain(say, error), true);
  }
  useEffect(() => {
    const close = watch(
      (next) => {
        setOverview(next);
        setLost(false);
      },
      () => {
        setLost(true);
        // A sign-in that has ended looks like a lost connection.
        api.status().then(({ signed_in }) => (signed_in ? undefined : onOut()), () => {});
      },
    );
    const move = () => setTab(tabOfAddress());
    window.addEventListener('hashchange', move);
    return () => {
      close();
      window.removeEventListener('hashchange', move);
    };
  }, []);
  const firing = overview?.alerts.filter((each) => each.state === 'firing').length ?? 0;
  const desk = useMemo(() => ({ say, language, tell, fail }), [say, language]);
  async function leave() {
    await api.signOut().catch(fail);
    onOut();
  }
  return (
    <DeskContext.Provider value={desk}>
      <header class="bar">
        <div class="brand">
          <Mark />
          <h1>Tidecast</h1>
        </div>
        <nav class="tabs" aria-label={say('title')}>
          {TABS.map((each) => (
            <a key={each} href={`#${each}`} aria-current={each === tab ? 'page' : undefined} data-testid={`tab-${each}`}>
              {say(each)}
              {each === 'alerts' && firing > 0 ? <b class="count" data-testid="firing">{firing}</b> : null}
            </a>
          ))}
        </nav>
        <div class="facts">
          {switcher}
          <button type="button" class="quiet" onClick={() => void leave()} data-testid="sign-out">{say('signOut')}</button>
        </div>
      </header>
      {lost ? <p class="strip" role="alert">{say('lost')}</p> : overview?.draining ? <p class="strip">{say('draining')}</p> : null}
      <main>
        {tab === 'settings' ? <Settings /> : null}
        {tab === 'keys' && overview ? <Keys streams={overview.streams.map((each) => each.name)} /> : null}
        {tab === 'recordings' && overview ? <Recordings version={overview.recordings_version} /> : null}
        {tab === 'alerts' && overview ? <Alerts overview={overview} /> : null}
        {tab === 'log' ? <Log newest={overview?.log_newest ?? 0} /> : null}
        {tab === 'streams' && overview ? <Streams overview={overview} /> : null}
      </main>
      {toast ? <p class={`toast ${toast.bad ? 'bad' : ''}`} role="status" data-testid="toast">{toast.text}</p> : null}
    </DeskContext.Provider>
  );
}

const place = document.getElementById('app');
if (place) render(<App />, place);
