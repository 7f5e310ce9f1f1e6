/** The encode's settings; each acts at once, while it runs. */
import { useState } from 'preact/hooks';
import type { VideoSettings } from '../../shared/model';
import { DEFAULT_VIDEO, LIMITS } from '../../shared/video_settings';
import { useUi } from './context';
import { Field, NumberField, Panel, Select, Switch } from './controls';
import { useDesk } from './scene_context';
import { EncoderRow } from './encoder_row';
import { TuningRows } from './tuning_rows';

const SIZES = [
  { value: '1920x1080', label: '1080p · 1920×1080' },
  { value: '1280x720', label: '720p · 1280×720' },
  { value: '854x480', label: '480p · 854×480' },
] as const;
const RATES = [15, 24, 25, 30, 48, 50, 60, 120] as const;

function rateOptions(current: number): Array<{ value: string; label: string }> {
  const rates: number[] = RATES.some((rate) => rate === current) ? [...RATES] : [...RATES, current].sort((a, b) => a - b);
  return rates.map((rate) => ({ value: String(rate), label: String(rate) }));
}

export function PicturePanel() {
  const { state, actions, words } = useUi();
  const desk = useDesk();
  const video: VideoSettings = state.settings.video ?? DEFAULT_VIDEO;
  const size = `${video.width}x${video.height}`;
  const known = SIZES.some(({ value }) => value === size);
  const [customOpen, setCustomOpen] = useState(false);
  const custom = customOpen || !known;

  function chooseSize(value: string): void {
    setCustomOpen(value === 'custom');
    const [width, height] = value.split('x').map(Number);
    if (width !== undefined && height !== undefined) void actions.changeVideo({ width, height });
  }

  return (
    <Panel title={words.picture}>
      <div class="fields">
        <Field label={words.resolution} wide>
          <Select
            value={custom ? 'custom' : size}
            options={[...SIZES, { value: 'custom', label: words.custom }]}
            testid="resolution"
            onChange={chooseSize}
          />
        </Field>
        {custom && (
          <Field label={words.width}>
            <NumberField
              value={video.width}
              {...LIMITS.width}
              step={2}
              even
              unit="px"
              testid="custom-width"
              onCommit={(width) => void actions.changeVideo({ width })}
            />
          </Field>
        )}
        {custom && (
          <Field label={words.height}>
            <NumberField
              value={video.height}
              {...LIMITS.height}
              step={2}
              even
              unit="px"
              testid="custom-height"
              onCommit={(height) => void actions.changeVideo({ height })}
            />
          </Field>
        )}
        <Field label={words.frameRate}>
          <Select
            value={String(video.fps)}
            options={rateOptions(video.fps)}
            testid="fps"
            onChange={(fps) => void actions.changeVideo({ fps: Number(fps) })}
          />
        </Field>
        <Field label={words.gop}>
          <NumberField
            value={video.gopSeconds}
            {...LIMITS.gopSeconds}
            step={0.25}
            unit={words.secondsUnit}
            testid="gop"
            onCommit={(gopSeconds) => void actions.changeVideo({ gopSeconds })}
          />
        </Field>
        <Field label={words.bitrate} wide>
          <NumberField
            value={video.kbps}
            {...LIMITS.kbps}
            step={100}
            unit="kbit/s"
            testid="bitrate"
            onCommit={(kbps) => void actions.changeVideo({ kbps })}
          />
        </Field>
      </div>
      <div class="line-item">
        <span>{words.cursor}</span>
        <Switch
          checked={state.settings.cursor}
          label={words.cursor}
          testid="cursor"
          onChange={(cursor) => {
            void actions.changeSettings({ cursor }).then(() => {
              // The pointer is drawn by the capture: the source is started again with the new wish.
              if (state.state?.sourceId !== undefined && state.state.capture.kind !== 'idle') void actions.start(state.state.sourceId);
              else if (desk.live !== undefined) desk.show();
            });
          }}
        />
      </div>
      <TuningRows />
      <EncoderRow />
    </Panel>
  );
}
