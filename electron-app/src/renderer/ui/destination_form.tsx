/** Adds or changes one destination: from a service by name, or by its address. */
import { useState } from 'preact/hooks';
import { isAddress, knownServices, SAVED_KINDS, takesKey, type DestinationDraft, type PublicDestination, type SavedKind } from '../../shared/destinations';
import { sayProblem } from '../../shared/i18n/index';
import { CanvasChoice } from './canvas_panel';
import { CodecRefused } from './codec_field';
import { useUi } from './context';
import { Field, Select } from './controls';
import { KIND_WORDS } from './kind_words';
import { SimulcastField } from './simulcast_field';

const CUSTOM = 'custom';
const EXAMPLES: { readonly [Kind in SavedKind]: string } = {
  rtmp: 'rtmps://live.example.com/app',
  srt: 'srt://live.example.com:9000?streamid=name',
  mpeg_ts: 'udp://192.168.1.20:5000',
  rtp: 'rtp://192.168.1.20:5004',
  whip: 'https://live.example.com/whip/…',
  backend: 'wss://live.example.com/ws/…',
};

type Test = { state: 'none' | 'running' | 'good' } | { state: 'bad'; message: string; hint: string; code: string };

export function DestinationForm({ saved, onDone }: { saved?: PublicDestination; onDone(): void }) {
  const { state, actions, words } = useUi();
  const services = knownServices();
  const [service, setService] = useState(saved === undefined ? (services[0]?.name ?? CUSTOM) : CUSTOM);
  const chosen = services.find((each) => each.name === service);
  const [draft, setDraft] = useState<DestinationDraft>({
    id: saved?.id,
    name: saved?.name ?? chosen?.name ?? '',
    kind: saved?.kind ?? chosen?.kind ?? 'rtmp',
    canvas: saved?.canvas,
    simulcast: saved?.simulcast,
    url: saved?.url ?? chosen?.servers[0]?.url ?? '',
  });
  const [test, setTest] = useState<Test>({ state: 'none' });
  const valid = isAddress(draft.kind, draft.url);
  const change = (part: Partial<DestinationDraft>): void => {
    setDraft({ ...draft, ...part });
    setTest({ state: 'none' });
  };

  function choose(name: string): void {
    setService(name);
    const next = services.find((each) => each.name === name);
    change(next === undefined ? { name: '', url: '' } : { name: next.name, kind: next.kind, url: next.servers[0]?.url ?? '' });
  }

  async function tryIt(): Promise<void> {
    setTest({ state: 'running' });
    const answer = await actions.testDestination(draft);
    setTest(answer.ok ? { state: 'good' } : { state: 'bad', ...sayProblem(words, answer.problem), code: answer.problem.code });
  }

  return (
    <div class="fields destination-form" data-testid="destination-form">
      {saved === undefined && (
        <Field label={words.destinationService} wide>
          <Select
            value={service}
            options={[...services.map((each) => ({ value: each.name, label: each.name })), { value: CUSTOM, label: words.destinationCustom }]}
            testid="destination-service"
            onChange={choose}
          />
        </Field>
      )}
      {chosen !== undefined && chosen.servers.length > 1 && (
        <Field label={words.destinationServer} wide>
          <Select
            value={draft.url}
            options={chosen.servers.map((each) => ({ value: each.url, label: each.name }))}
            testid="destination-server"
            onChange={(url) => change({ url })}
          />
        </Field>
      )}
      {chosen === undefined && (
        <Field label={words.destinationKind} wide>
          <Select
            value={draft.kind}
            options={SAVED_KINDS.map((kind) => ({ value: kind, label: words[KIND_WORDS[kind]] }))}
            testid="destination-kind"
            onChange={(value) => change({ kind: SAVED_KINDS.find((kind) => kind === value) ?? 'rtmp' })}
          />
        </Field>
      )}
      <Field label={words.destinationName} wide>
        <input class="text" value={draft.name} maxLength={100} data-testid="destination-name" onInput={(event) => change({ name: event.currentTarget.value })} />
      </Field>
      {chosen === undefined && (
        <Field label={words.whipUrl} wide>
          <input
            class={`text${draft.url === '' || valid ? '' : ' invalid'}`}
            value={draft.url}
            placeholder={EXAMPLES[draft.kind]}
            spellcheck={false}
            aria-invalid={draft.url !== '' && !valid}
            data-testid="destination-url"
            onInput={(event) => change({ url: event.currentTarget.value })}
          />
        </Field>
      )}
      {takesKey(draft.kind) && (
        <Field label={draft.kind === 'srt' ? words.destinationPassphrase : words.whipKey} wide>
          <input
            type="password"
            class="text"
            value={draft.key ?? ''}
            placeholder={saved?.hasKey === true ? words.whipKeySaved : ''}
            autocomplete="off"
            data-testid="destination-key"
            onInput={(event) => change({ key: event.currentTarget.value === '' ? undefined : event.currentTarget.value })}
          />
        </Field>
      )}
      <CanvasChoice value={draft.canvas} testid="destination-canvas" onChange={(canvas) => change({ canvas })} />
      <CodecRefused canvas={draft.canvas} kind={draft.kind} testid="destination-codec-refused" />
      {draft.kind === 'whip' && (
        <SimulcastField
          checked={draft.simulcast === true}
          canvas={draft.canvas}
          testid="destination-simulcast"
          onChange={(simulcast) => change({ simulcast })}
        />
      )}
      {draft.kind === 'rtp' && <p class="quiet wide">{words.destinationRtpNote}</p>}
      {chosen?.keyPage !== undefined && <p class="quiet wide">{words.destinationKeyPage} {chosen.keyPage}</p>}
      {!state.boot.canKeepSecrets && takesKey(draft.kind) && <p class="quiet wide">{words.destinationKeyFile}</p>}
      {test.state === 'good' && (
        <p class="notice good wide" role="status" data-testid="destination-test-good">
          {words.destinationTestGood}
        </p>
      )}
      {test.state === 'bad' && (
        <div class="notice bad wide" role="alert" data-testid="destination-test-bad" data-code={test.code}>
          <strong>{test.message}</strong>
          <span>{test.hint}</span>
        </div>
      )}
      <div class="destination-buttons wide">
        <button type="button" class="button small" disabled={!valid || test.state === 'running'} data-testid="destination-test" onClick={() => void tryIt()}>
          {test.state === 'running' ? words.destinationTesting : words.destinationTest}
        </button>
        {saved !== undefined && (
          <button type="button" class="button small danger-quiet" data-testid="destination-remove" onClick={() => void actions.removeDestination(saved.id).then(onDone)}>
            {words.destinationRemove}
          </button>
        )}
        <button type="button" class="button small" data-testid="destination-cancel" onClick={onDone}>
          {words.destinationCancel}
        </button>
        <button
          type="button"
          class="button small primary"
          disabled={!valid}
          data-testid="destination-save"
          onClick={() => void actions.saveDestination(draft).then((taken) => taken && onDone())}
        >
          {words.destinationSave}
        </button>
      </div>
    </div>
  );
}
