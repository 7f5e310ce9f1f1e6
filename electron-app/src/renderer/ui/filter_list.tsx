/** The filters of one input, in their order: add, switch, set, move, remove. */
import { defaultEffect, EFFECT_KINDS, type EffectKind } from '../../shared/audio_inputs';
import type { Effect, Filter } from '../../shared/model';
import { useUi } from './context';
import { IconButton, NumberField, Select, Switch } from './controls';

const RANGES: { [name: string]: readonly [number, number] } = {
  thresholdDb: [-60, 0],
  attackMs: [0.1, 500],
  holdMs: [0, 2000],
  releaseMs: [10, 2000],
  ratio: [1, 30],
  makeupDb: [0, 30],
  ceilingDb: [-40, 0],
  lowDb: [-24, 24],
  midDb: [-24, 24],
  highDb: [-24, 24],
};

export function FilterList({ id, filters, onChange }: { id: string; filters: Filter[]; onChange(filters: Filter[]): void }) {
  const { words } = useUi();
  const names: { [kind in EffectKind]: string } = {
    noise_suppression: words.filterNoise,
    gate: words.filterGate,
    compressor: words.filterCompressor,
    limiter: words.filterLimiter,
    equalizer: words.filterEqualizer,
  };
  const settings: { [name: string]: string } = {
    thresholdDb: words.filterThreshold,
    attackMs: words.filterAttack,
    holdMs: words.filterHold,
    releaseMs: words.filterRelease,
    ratio: words.filterRatio,
    makeupDb: words.filterMakeup,
    ceilingDb: words.filterCeiling,
    lowDb: words.filterLow,
    midDb: words.filterMid,
    highDb: words.filterHigh,
  };
  const put = (index: number, filter: Filter): void => onChange(filters.map((old, at) => (at === index ? filter : old)));
  const up = (index: number): void => {
    const next = [...filters];
    const [moved] = next.splice(index, 1);
    if (moved !== undefined) next.splice(index - 1, 0, moved);
    onChange(next);
  };
  const add = (value: string): void => {
    const kind = EFFECT_KINDS.find((each) => each === value);
    if (kind !== undefined) onChange([...filters, { enabled: true, effect: defaultEffect(kind) }]);
  };
  const numbers = (effect: Effect): Array<[string, number]> =>
    Object.entries(effect).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return (
    <div class="filters">
      {filters.map((filter, index) => (
        <div class="filter" key={index} data-testid={`filter-${id}-${index}`}>
          <Switch checked={filter.enabled} label={names[filter.effect.kind]} onChange={(enabled) => put(index, { ...filter, enabled })} />
          <strong>{names[filter.effect.kind]}</strong>
          {index === 0 ? (
            <span />
          ) : (
            <button type="button" class="button small" aria-label={`${words.filterEarlier}: ${names[filter.effect.kind]}`} title={words.filterEarlier} onClick={() => up(index)}>
              ↑
            </button>
          )}
          <IconButton icon="close" label={`${words.filterRemove}: ${names[filter.effect.kind]}`} onClick={() => onChange(filters.filter((_, at) => at !== index))} />
          {numbers(filter.effect).length > 0 && (
            <div class="filter-settings">
              {numbers(filter.effect).map(([name, value]) => (
                <label class="filter-setting" key={name}>
                  {settings[name]}
                  <NumberField
                    value={Math.round(value * 10) / 10}
                    min={RANGES[name]?.[0] ?? 0}
                    max={RANGES[name]?.[1] ?? 0}
                    label={`${names[filter.effect.kind]}, ${settings[name] ?? name}`}
                    step={0.5}
                    onCommit={(next) => put(index, { ...filter, effect: { ...filter.effect, [name]: next } })}
                  />
                </label>
              ))}
            </div>
          )}
        </div>
      ))}
      <Select
        value=""
        options={[{ value: '', label: words.filterAdd }, ...EFFECT_KINDS.map((kind) => ({ value: kind, label: names[kind] }))]}
        label={words.filterAdd}
        testid={`add-filter-${id}`}
        onChange={add}
      />
    </div>
  );
}
