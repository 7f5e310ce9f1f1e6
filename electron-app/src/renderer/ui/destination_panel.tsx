/** Where the stream goes, and, once it goes there, how viewers find it. */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import qrcode from 'qrcode-generator';
import type { StateView } from '../../shared/contract';
import { sayCode } from '../../shared/i18n/index';
import { isPublishing } from '../actions';
import { useUi } from './context';
import { Field, Panel, Segmented, Switch } from './controls';
import { DestinationList } from './destination_list';
import { Icon } from './icons';
import { SimulcastField } from './simulcast_field';

/**
 * The address and key that are being typed. They live in the window only: what main echoes must not overtake the
 * typing, and the key must not get into the store, from where it could get into a report.
 */
export interface WhipDraft {
  url: string;
  key: string;
  keep: boolean;
}

export function isWhipAddress(text: string): boolean {
  return /^https?:\/\/[^\s/]+/i.test(text.trim());
}

function QrCode({ text, title }: { text: string; title: string }) {
  const { path, size } = useMemo(() => {
    const code = qrcode(0, 'M');
    code.addData(text);
    code.make();
    const count = code.getModuleCount();
    let squares = '';
    for (let row = 0; row < count; row += 1) {
      for (let column = 0; column < count; column += 1) if (code.isDark(row, column)) squares += `M${column + 2} ${row + 2}h1v1h-1z`;
    }
    return { path: squares, size: count + 4 };
  }, [text]);
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} shape-rendering="crispEdges" role="img" aria-label={title} data-testid="qr">
      <title>{title}</title>
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#0b1116" />
    </svg>
  );
}

function Share({ link }: { link: NonNullable<StateView['viewLink']> }) {
  const { actions, words } = useUi();
  const nowhere = link.url === link.loopbackUrl;
  const reach = link.reach === 'loopback' ? words.reachLoopback : nowhere ? words.reachNoNetwork : words.reachNetwork;
  // It is what one wants next after going live, and a small window has it below the fold.
  const share = useRef<HTMLDivElement>(null);
  useEffect(() => share.current?.scrollIntoView({ block: 'nearest' }), [link.url]);
  return (
    <div class="share" ref={share}>
      <QrCode text={link.url} title={words.qrTitle} />
      <div class="share-text">
        <span class="field-label">{words.viewLink}</span>
        <code class="link-text" data-testid="view-link">
          {link.url}
        </code>
        <button type="button" class="button small" data-testid="copy-link" onClick={() => void actions.copyLink()}>
          <Icon name="copy" size={16} />
          <span>{words.copyLink}</span>
        </button>
      </div>
      <p class="quiet share-reach" data-testid="reach">
        {reach}
      </p>
    </div>
  );
}

function hostOf(address: string): string {
  return /^https?:\/\/(?:[^@/]*@)?([^/?#]+)/i.exec(address.trim())?.[1] ?? address;
}

function PublishNote() {
  const { state, words, say } = useUi();
  const publish = state.state?.publish;
  if (publish?.kind === 'connecting') return <p class="notice">{words.publishConnecting}</p>;
  if (publish?.kind === 'reconnecting') {
    const seconds = Math.max(1, Math.round(publish.retryInMs / 1000));
    return (
      <div class="notice" data-testid="publish-note" data-code={publish.code}>
        <strong>{sayCode(words, publish.code).message}</strong>
        <span>{say('publishReconnecting', { attempt: publish.attempt, seconds })}</span>
      </div>
    );
  }
  if (publish?.kind === 'failed') {
    const { message, hint } = sayCode(words, publish.code);
    return (
      <div class="notice bad" role="alert" data-testid="publish-note" data-code={publish.code}>
        <strong>
          {words.publishFailed}: {message}
        </strong>
        <span>{hint}</span>
      </div>
    );
  }
  return null;
}

function WhipFields({ draft, onDraft }: { draft: WhipDraft; onDraft(draft: WhipDraft): void }) {
  const { state, actions, words } = useUi();
  const { settings, boot } = state;
  const invalid = draft.url !== '' && !isWhipAddress(draft.url);
  return (
    <div class="fields">
      <Field label={words.whipUrl} wide>
        <input
          type="url"
          class={`text${invalid ? ' invalid' : ''}`}
          value={draft.url}
          placeholder="https://live.example.com/whip/…"
          spellcheck={false}
          aria-invalid={invalid}
          data-testid="whip-url"
          onInput={(event) => onDraft({ ...draft, url: event.currentTarget.value })}
          onBlur={() => draft.url !== settings.whipUrl && void actions.changeSettings({ whipUrl: draft.url })}
        />
      </Field>
      {invalid && <p class="field-error">{words.whipUrlInvalid}</p>}
      <Field label={words.whipKey} wide>
        <input
          type="password"
          class="text"
          value={draft.key}
          placeholder={settings.hasSavedWhipKey ? words.whipKeySaved : words.whipKeyOptional}
          autocomplete="off"
          data-testid="whip-key"
          onInput={(event) => onDraft({ ...draft, key: event.currentTarget.value })}
        />
      </Field>
      <SimulcastField
        checked={settings.whipSimulcast === true}
        testid="whip-simulcast"
        onChange={(whipSimulcast) => void actions.changeSettings({ whipSimulcast })}
      />
      {boot.canKeepSecrets ? (
        <div class="line-item wide">
          <span>{words.whipKeepKey}</span>
          <Switch checked={draft.keep} label={words.whipKeepKey} testid="whip-keep" onChange={(keep) => onDraft({ ...draft, keep })} />
        </div>
      ) : (
        <p class="quiet wide">{words.whipKeyNotKept}</p>
      )}
      {settings.hasSavedWhipKey && (
        <button type="button" class="link wide" onClick={() => void actions.forgetKey()}>
          {words.whipForgetKey}
        </button>
      )}
    </div>
  );
}

export function DestinationPanel({ draft, onDraft }: { draft: WhipDraft; onDraft(draft: WhipDraft): void }) {
  const { state, actions, words, say } = useUi();
  const publishing = isPublishing(state);
  const view = state.state;
  if (publishing) {
    return (
      <Panel title={words.destination}>
        <PublishNote />
        {view?.publishingTo === 'list' && <DestinationList />}
        {view?.publishingTo !== 'whip' && view?.viewLink !== undefined && <Share link={view.viewLink} />}
        {view?.publishingTo === 'whip' && <p class="line-item">{say('streamingTo', { host: hostOf(draft.url) })}</p>}
      </Panel>
    );
  }
  return (
    <Panel title={words.destination}>
      <PublishNote />
      <Segmented
        value={state.settings.destination}
        label={words.destination}
        options={[
          { value: 'local', label: words.destinationLocal, testid: 'destination-local' },
          { value: 'whip', label: words.destinationWhip, testid: 'destination-whip' },
          { value: 'list', label: words.destinationList, testid: 'destination-list' },
        ]}
        onChange={(destination) => void actions.changeSettings({ destination })}
      />
      {state.settings.destination === 'local' && <p class="quiet">{words.localText}</p>}
      {state.settings.destination === 'whip' && <WhipFields draft={draft} onDraft={onDraft} />}
      {state.settings.destination === 'list' && <DestinationList />}
    </Panel>
  );
}
