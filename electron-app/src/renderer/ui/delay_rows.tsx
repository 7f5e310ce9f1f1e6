/** How old a picture is when the preview shows it, part by part. A part that no one clock measured is not guessed. */
import type { TextKey } from '../../shared/i18n/index';
import type { Stats } from '../../shared/model';
import type { ReceiverDelays } from '../rtc_manager/receiver_delays';
import { useUi } from './context';

/** The parts in their order, milliseconds. */
function parts(stats: Stats | undefined, delays: ReceiverDelays | undefined): Array<{ testid: string; label: TextKey; ms?: number }> {
  const composed = stats?.queueMs !== undefined && stats.queueMs !== null;
  return [
    { testid: 'delay-queue', label: 'delayQueue', ms: stats?.queueMs },
    { testid: 'delay-compose', label: 'delayCompose', ms: stats?.composeMs },
    // Repeats of a still picture were encoded, too: without a new one there is nothing whose age could be told.
    { testid: 'delay-encode', label: 'delayEncode', ms: composed ? stats?.encodeMs : undefined },
    { testid: 'delay-network', label: 'delayNetwork', ms: delays?.networkMs },
    { testid: 'delay-buffer', label: 'delayBuffer', ms: delays?.jitterBufferMs },
    { testid: 'delay-decode', label: 'delayDecode', ms: delays?.decodeMs },
  ];
}

export function DelayRows() {
  const { state, words } = useUi();
  const all = parts(state.stats, state.delays);
  const known = all.map(({ ms }) => ms).filter((ms): ms is number => typeof ms === 'number');
  const whole = known.length === all.length ? known.reduce((sum, ms) => sum + ms, 0) : undefined;
  const write = (ms: number | undefined): string => (typeof ms === 'number' ? `${ms.toFixed(1)} ms` : words.unknownValue);
  return (
    <section>
      <h3 title={words.delayNote}>{words.delay}</h3>
      <dl data-testid="delay">
        {all.map(({ testid, label, ms }) => (
          <div key={testid}>
            <dt>{words[label]}</dt>
            <dd data-testid={testid}>{write(ms)}</dd>
          </div>
        ))}
        <div class="figure-sum">
          <dt>{words.delaySum}</dt>
          <dd data-testid="delay-sum">{write(whole)}</dd>
        </div>
      </dl>
    </section>
  );
}
