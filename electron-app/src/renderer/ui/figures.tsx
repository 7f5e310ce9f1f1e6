/** The engine's figures: a line that is always there, and all of them on demand. */
import type { Dictionary, TextKey } from '../../shared/i18n/index';
import { fill } from '../../shared/i18n/index';
import type { Stats } from '../../shared/model';
import { isCapturing } from '../actions';
import { useUi } from './context';
import { DelayRows } from './delay_rows';
import { Icon } from './icons';

type Group = 'picture' | 'network' | 'machine';

interface Figure {
  testid: string;
  label: TextKey;
  group: Group;
  text(stats: Stats, words: Dictionary): string;
}

const kbps = (value: number): string => (value >= 1000 ? `${(value / 1000).toFixed(2)} Mbit/s` : `${Math.round(value)} kbit/s`);
const known = <T,>(value: T | undefined | null, write: (value: T) => string, words: Dictionary): string =>
  value === undefined || value === null ? words.unknownValue : write(value);

/** What holds the encode back, in the user's words. */
function limit({ aim }: Stats, words: Dictionary): string {
  if (aim.heldForRecording) return words.heldForRecording;
  if (aim.limitedBy === 'machine') return words.limitedMachine;
  if (aim.limitedBy === 'nothing') return words.limitedNothing;
  return { none: words.limitedNetwork, delay: words.limitedNetworkDelay, loss: words.limitedNetworkLoss }[aim.trouble];
}

function target({ aim }: Stats, words: Dictionary): string {
  if (aim.targetKbps >= aim.wantedKbps) return kbps(aim.targetKbps);
  return fill(words.targetOf, { target: kbps(aim.targetKbps), wanted: kbps(aim.wantedKbps) });
}

const FIGURES: readonly Figure[] = [
  { testid: 'stats-encoder', group: 'picture', label: 'encoder', text: (s, w) => (s.encoder === '' ? w.unknownValue : s.encoder) },
  { testid: 'stats-encoded-as', group: 'picture', label: 'encodedAs', text: ({ aim }, w) => fill(w.encodedAsText, { width: aim.width, height: aim.height, fps: aim.fps }) },
  { testid: 'stats-fps-captured', group: 'picture', label: 'fpsCaptured', text: (s, w) => `${s.fpsCaptured.toFixed(1)} ${w.framesUnit}` },
  { testid: 'stats-fps-encoded', group: 'picture', label: 'fpsEncoded', text: (s, w) => `${s.fpsEncoded.toFixed(1)} ${w.framesUnit}` },
  { testid: 'stats-fps-dropped', group: 'picture', label: 'fpsDropped', text: (s, w) => `${s.fpsDropped.toFixed(1)} ${w.framesUnit}` },
  { testid: 'stats-encode-ms', group: 'picture', label: 'encodeTime', text: (s) => `${s.encodeMs.toFixed(1)} ms` },
  { testid: 'stats-copies', group: 'picture', label: 'copies', text: (s) => String(s.copies) },
  { testid: 'stats-limited', group: 'picture', label: 'limitedBy', text: limit },
  { testid: 'stats-bitrate', group: 'network', label: 'videoBitrate', text: (s) => kbps(s.videoKbps) },
  { testid: 'stats-target', group: 'network', label: 'targetBitrate', text: target },
  { testid: 'stats-estimate', group: 'network', label: 'estimate', text: (s, w) => known(s.aim.estimateKbps, kbps, w) },
  { testid: 'stats-sent', group: 'network', label: 'sentBitrate', text: (s) => kbps(s.sentKbps) },
  { testid: 'stats-rtt', group: 'network', label: 'roundTrip', text: (s, w) => known(s.roundTripMs, (ms) => `${ms.toFixed(1)} ms`, w) },
  { testid: 'stats-loss', group: 'network', label: 'loss', text: (s, w) => known(s.loss, (share) => `${(share * 100).toFixed(2)} %`, w) },
  { testid: 'stats-viewers', group: 'network', label: 'viewers', text: (s) => String(s.viewers) },
  { testid: 'stats-audio', group: 'machine', label: 'audioPeak', text: (s) => (s.audioPeakDb <= -119 ? '−∞ dBFS' : `${s.audioPeakDb.toFixed(1)} dBFS`) },
  { testid: 'stats-cpu', group: 'machine', label: 'cpu', text: (s, w) => known(s.cpuCores, (cores) => `${cores.toFixed(2)} ${w.coresUnit}`, w) },
  { testid: 'stats-memory', group: 'machine', label: 'memory', text: (s, w) => known(s.memoryMib, (mib) => `${Math.round(mib)} MiB`, w) },
];

const GROUPS: ReadonlyArray<{ group: Group; title: TextKey }> = [
  { group: 'picture', title: 'figuresPicture' },
  { group: 'machine', title: 'figuresMachine' },
  { group: 'network', title: 'figuresNetwork' },
];

/** What the line shows, in its order. */
const SHORT = ['stats-fps-encoded', 'stats-bitrate', 'stats-encode-ms', 'stats-rtt', 'stats-loss', 'stats-cpu'];

export function FiguresPanel() {
  const { state, store, words } = useUi();
  const { stats } = state;
  return (
    <div class="figures" id="figures" hidden={!state.figures} data-testid="figures">
      <header class="panel-head">
        <h2>{words.figures}</h2>
        <button type="button" class="icon-button" title={words.hideFigures} aria-label={words.hideFigures} onClick={() => store.set({ figures: false })}>
          <Icon name="close" />
        </button>
      </header>
      <div class="figure-groups">
        {GROUPS.map(({ group, title }) => (
          <section key={group}>
            <h3>{words[title]}</h3>
            <dl>
              {FIGURES.filter((figure) => figure.group === group).map((figure) => (
                <div key={figure.testid}>
                  <dt>{words[figure.label]}</dt>
                  <dd data-testid={figure.testid}>{stats === undefined ? words.unknownValue : figure.text(stats, words)}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <DelayRows />
      </div>
    </div>
  );
}

export function StatusBar() {
  const { state, store, words } = useUi();
  const { stats } = state;
  const running = isCapturing(state) && stats !== undefined;
  const settings = state.state?.settings;
  return (
    <footer class="status-bar">
      <button
        type="button"
        class="status-button"
        aria-expanded={state.figures}
        aria-controls="figures"
        title={state.figures ? words.hideFigures : words.showFigures}
        data-testid="toggle-figures"
        onClick={() => store.set({ figures: !state.figures })}
      >
        <Icon name="chart" size={15} />
        {!running && <span class="status-item">{words.idle}</span>}
        {running && settings !== undefined && (
          <span class="status-item strong">
            {settings.width}×{settings.height}
          </span>
        )}
        {running && (stats.aim.limitedBy !== 'nothing' || stats.aim.heldForRecording) && (
          <span class="status-item status-limit" title={words.limitedBy} data-testid="status-limited">
            <span class="status-label">{words.limitedBy}</span>
            {limit(stats, words)}
          </span>
        )}
        {running && state.state?.constantRate === true && (
          <span class="status-item" title={words.constantRateTitle} data-testid="constant-rate">
            {words.constantRate}
          </span>
        )}
        {running &&
          SHORT.map((testid) => {
            const figure = FIGURES.find((candidate) => candidate.testid === testid);
            if (figure === undefined) return null;
            const text = figure.text(stats, words);
            if (text === words.unknownValue) return null;
            return (
              <span class="status-item" key={testid} title={words[figure.label]}>
                <span class="status-label">{words[figure.label]}</span>
                {text}
              </span>
            );
          })}
      </button>
    </footer>
  );
}
