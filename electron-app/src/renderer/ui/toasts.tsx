/** Short messages over the stage: what happened, and what to do about it. */
import type { Toast } from '../store';
import { useUi } from './context';
import { Icon, type IconName } from './icons';

const ICONS: { readonly [Tone in Toast['tone']]: IconName } = { info: 'info', good: 'check', warning: 'warning', error: 'warning' };

export function Toasts() {
  const { state, store, actions, words, say } = useUi();
  return (
    <div class="toasts" aria-live="polite">
      {state.toasts.map((toast) => (
        <div key={toast.id} class={`toast ${toast.tone}`} role={toast.tone === 'error' ? 'alert' : 'status'} data-testid="toast" data-code={toast.code}>
          <Icon name={ICONS[toast.tone]} />
          <div class="toast-text">
            <strong>{toast.title}</strong>
            {toast.detail !== undefined && toast.detail !== '' && <span>{toast.detail}</span>}
            {toast.code !== undefined && toast.tone === 'error' && <span class="toast-code">{say('errorCode', { code: toast.code })}</span>}
            {toast.file !== undefined && (
              <button type="button" class="link" data-testid="show-saved" onClick={() => toast.file !== undefined && void actions.showSaved(toast.file)}>
                {words.recordShow}
              </button>
            )}
          </div>
          <button type="button" class="icon-button" title={words.dismiss} aria-label={words.dismiss} onClick={() => store.dismiss(toast.id)}>
            <Icon name="close" size={16} />
          </button>
        </div>
      ))}
    </div>
  );
}
