/** The last lines of the log, searched on the server. */
import { useEffect, useState } from 'preact/hooks';
import { api, type Line } from './api';
import { useDesk } from './context';
import { Choice } from './parts';

type Level = 'debug' | 'info' | 'warn' | 'error';
/** Who types is not asked after each letter. */
const PAUSE_MS = 250;

export function Log({ newest }: { newest: number }) {
  const { say, fail } = useDesk();
  const [words, setWords] = useState('');
  const [level, setLevel] = useState<Level>('info');
  const [found, setFound] = useState<{ lines: Line[]; searched: number }>();
  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => {
      api.log(words, level).then(
        (answer) => (over ? undefined : setFound(answer)),
        (error: unknown) => (over ? undefined : fail(error)),
      );
    }, PAUSE_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [words, level, newest]);
  const levels = [['debug', say('debug')], ['info', say('info')], ['warn', say('warn')], ['error', say('error')]] as const;
  return (
    <section class="page">
      <header class="page-head search">
        <label class="field grow">
          <span>{say('search')}</span>
          <input type="search" placeholder={say('searchHint')} value={words} data-testid="log-words" onInput={(event) => setWords(event.currentTarget.value)} />
        </label>
        <Choice name={say('level')} value={level} of={levels} onChange={setLevel} testId="log-level" />
      </header>
      {found ? (
        <div class="panel log">
          <p class="count" data-testid="log-count">{say('logFound', { n: found.lines.length, m: found.searched })}</p>
          {found.lines.length === 0 ? <p class="empty">{say('logNone')}</p> : null}
          <ol data-testid="log-lines">
            {found.lines.map((line) => (
              <li key={line.number} class={line.level}>
                <time>{new Date(line.at_ms).toLocaleTimeString('en-GB')}</time>
                <b>{line.level}</b>
                <span title={line.target}>{line.text}</span>
                {line.request ? (
                  <button type="button" class="quiet mono" onClick={() => setWords(line.request ?? '')}>{line.request}</button>
                ) : null}
              </li>
            ))}
          </ol>
        </div>
      ) : null}
    </section>
  );
}
