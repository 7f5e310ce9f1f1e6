/** As what a further canvas is encoded, what makes it here, and where it can go. */
import { useEffect } from 'preact/hooks';
import { CODEC_NAMES, CODECS, DEFAULT_CODEC, isRefused } from '../../shared/codecs';
import { SAVED_KINDS } from '../../shared/destinations';
import type { Codec } from '../../shared/model';
import { useUi } from './context';
import { Field, Select } from './controls';
import { KIND_WORDS } from './kind_words';

export function CodecField({ value, onChange }: { value: Codec | undefined; onChange(codec: Codec): void }) {
  const { state, actions, words, say } = useUi();
  const choices = state.encoders?.codecs;
  const codec = value ?? DEFAULT_CODEC;
  useEffect(() => {
    if (choices === undefined) void actions.probe();
  }, [choices === undefined]);
  const choice = choices?.find((each) => each.codec === codec);
  const missing = (each: Codec): boolean => choices?.some((known) => known.codec === each && (known.encoder ?? undefined) === undefined) === true;
  const takers = SAVED_KINDS.filter((kind) => !isRefused(choices, codec, kind)).map((kind) => words[KIND_WORDS[kind]]);
  const options = CODECS.map((each) => ({ value: each, label: missing(each) ? say('codecMissing', { codec: CODEC_NAMES[each] }) : CODEC_NAMES[each] }));
  return (
    <>
      <Field label={words.codec}>
        <Select
          value={codec}
          options={options}
          testid="canvas-codec"
          onChange={(next) => onChange(CODECS.find((each) => each === next) ?? DEFAULT_CODEC)}
        />
      </Field>
      {missing(codec) && choice !== undefined && (
        <div class="notice bad wide" role="alert" data-testid="canvas-codec-missing">
          <strong>{words.problem_no_encoder_of_codec}</strong>
          <span>{choice.refused.map(({ name, reason }) => `${name}: ${reason}`).join(' · ')}</span>
        </div>
      )}
      {codec !== DEFAULT_CODEC && choice !== undefined && !missing(codec) && (
        <p class="notice wide" role="status" data-testid="canvas-codec-takers">
          {say('codecTakers', { encoder: choice.encoder ?? '', kinds: takers.join(' · ') })}
        </p>
      )}
    </>
  );
}

/** Said beside a destination before it goes live: what its canvas is encoded as is nothing that it takes. */
export function CodecRefused({ canvas, kind, testid }: { canvas: string | undefined; kind: string; testid: string }) {
  const { state, words, say } = useUi();
  const codec = state.settings.canvases?.find((each) => each.id === canvas)?.codec ?? DEFAULT_CODEC;
  if (!isRefused(state.encoders?.codecs, codec, kind)) return null;
  return (
    <p class="destination-reason bad wide" role="alert" data-testid={testid} data-code="codec_not_taken">
      <strong>{words.problem_codec_not_taken}</strong> {say('codecRefused', { codec: CODEC_NAMES[codec] })}
    </p>
  );
}
