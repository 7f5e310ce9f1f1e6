/** The top bar: who we are, whether we are live, and what concerns the app rather than the stream. */
import type { Theme } from '../../shared/settings';
import { clockText } from './clock_text';
import { useUi } from './context';
import { IconButton } from './controls';
import { WhereItGoes } from './destination_list';
import { Icon, type IconName } from './icons';

function Timer({ sinceMs }: { sinceMs: number }) {
  const { state } = useUi();
  return (
    <span class="timer" data-testid="live-timer">
      {clockText(state.now - sinceMs)}
    </span>
  );
}

function LiveStatus() {
  const { state, words, say } = useUi();
  const publish = state.state?.publish;
  if (publish === undefined || publish.kind === 'idle' || publish.kind === 'failed') return null;
  if (publish.kind !== 'live') {
    const text = publish.kind === 'connecting' ? words.connecting : words.reconnecting;
    return (
      <div class="live-status">
        <span class="badge waiting" data-testid="publish-badge" role="status">
          {text}
        </span>
      </div>
    );
  }
  const viewers = state.stats?.viewers ?? 0;
  return (
    <div class="live-status">
      <span class="badge live" data-testid="live-badge" role="status">
        <span class="dot" aria-hidden="true" />
        {words.live}
      </span>
      <Timer sinceMs={publish.sinceMs} />
      {state.state?.publishingTo === 'local' && (
        <span class="viewers" title={words.viewers} data-testid="viewers-now">
          <Icon name="eye" size={16} />
          {viewers === 1 ? words.viewersOne : say('viewersMany', { count: viewers })}
        </span>
      )}
    </div>
  );
}

const NEXT_THEME: { readonly [T in Theme]: Theme } = { system: 'dark', dark: 'light', light: 'system' };
const THEME_ICON: { readonly [T in Theme]: IconName } = { system: 'auto', dark: 'moon', light: 'sun' };

export function TopBar() {
  const { state, store, actions, words } = useUi();
  const { theme } = state.settings;
  const themeLabel = { system: words.themeSystem, dark: words.themeDark, light: words.themeLight }[theme];
  return (
    <header class="top-bar">
      <div class="brand">
        <img src="icon.svg" alt="" width={26} height={26} />
        <h1>Tidecast</h1>
        {state.boot.oldRuntime && <span class="tag" title={words.oldRuntime}>Electron {state.boot.versions.electron}</span>}
      </div>
      <div class="top-status">
        <LiveStatus />
        <WhereItGoes />
      </div>
      <nav class="top-actions">
        <button
          type="button"
          class="text-button"
          title={words.languageSwitchTitle}
          data-testid="language"
          onClick={() => void actions.changeSettings({ language: state.language === 'en' ? 'zh' : 'en' })}
        >
          {words.languageSwitch}
        </button>
        <IconButton
          icon={THEME_ICON[theme]}
          label={themeLabel}
          testid="theme"
          onClick={() => void actions.changeSettings({ theme: NEXT_THEME[theme] })}
        />
        <IconButton icon="clipboard" label={words.copyDiagnostics} testid="copy-diagnostics" onClick={() => void actions.copyDiagnostics()} />
        <IconButton icon="keyboard" label={words.keys} testid="keys" onClick={() => store.set({ dialog: 'keys' })} />
        <IconButton icon="info" label={words.about} testid="about" onClick={() => store.set({ dialog: 'about' })} />
      </nav>
    </header>
  );
}
