/** Signing in. */
import { useState } from 'preact/hooks';
import { api, type Status } from './api';
import { explain } from './context';
import { Mark } from './parts';
import type { Say } from './words';

export function Door({ status, say, onIn, children }: { status: Status; say: Say; onIn: () => void; children: preact.ComponentChildren }) {
  const [password, setPassword] = useState('');
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  async function enter(event: Event) {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      await api.signIn(password);
      onIn();
    } catch (error) {
      setProblem(explain(say, error));
      setBusy(false);
    }
  }
  return (
    <main class="door">
      <form class="panel" onSubmit={enter} data-testid="door">
        <Mark />
        <h1>Tidecast</h1>
        <p class="lead">{say('signInLead')}</p>
        {!status.set_up ? (
          <div class="note" data-testid="not-set-up">
            <p>{say('notSetUp')}</p>
            <code>tidecast-server --config FILE set-admin-password</code>
          </div>
        ) : !status.private ? (
          <p class="note" data-testid="not-private">{say('notPrivate')}</p>
        ) : (
          <>
            {/* For password managers, which want to know whose password it is. */}
            <input type="text" name="username" autocomplete="username" value="admin" hidden readonly />
            <label class="field">
              <span>{say('password')}</span>
              <input type="password" name="password" autocomplete="current-password" required autofocus value={password} data-testid="password" onInput={(event) => setPassword(event.currentTarget.value)} />
            </label>
            <p class="problem" role="alert" data-testid="problem">{problem}</p>
            <button class="primary" type="submit" disabled={busy || password === ''} data-testid="sign-in">{say('signIn')}</button>
          </>
        )}
        {children}
      </form>
    </main>
  );
}
