/** How recordings are written, and whether the last seconds are kept; shown while capturing. */
import { RECORD_LIMITS } from '../../shared/recording';
import { isCapturing, isRecording } from '../actions';
import { CanvasChoice } from './canvas_panel';
import { useUi } from './context';
import { Field, NumberField, Panel, Select, Switch } from './controls';

export function RecordPanel() {
  const { state, actions, words } = useUi();
  if (!isCapturing(state)) return null;
  const { recording: wanted, recordingFolder } = state.settings;
  const busy = isRecording(state);
  return (
    <Panel title={words.recording}>
      <div class="record-folder">
        <span class="field-label">{words.recordFolder}</span>
        <span class="record-path" title={recordingFolder} data-testid="record-folder">
          {recordingFolder}
        </span>
        <button type="button" class="button small" data-testid="record-choose-folder" onClick={() => void actions.chooseRecordingFolder()}>
          {words.recordChooseFolder}
        </button>
      </div>
      <div class="fields">
        <Field label={words.recordFormat} wide>
          <Select
            value={wanted.format}
            options={[
              { value: 'mp4', label: 'MP4' },
              { value: 'mkv', label: 'Matroska (MKV)' },
            ]}
            testid="record-format"
            disabled={busy}
            onChange={(format) => void actions.changeRecording({ format: format === 'mkv' ? 'mkv' : 'mp4' })}
          />
        </Field>
        <CanvasChoice
          value={wanted.canvas}
          testid="record-canvas"
          disabled={busy}
          onChange={(canvas) => void actions.changeRecording({ canvas: canvas ?? '' })}
        />
        <Field label={words.recordSplitTime}>
          <NumberField
            value={wanted.splitMinutes}
            {...RECORD_LIMITS.splitMinutes}
            step={1}
            unit={words.minutesUnit}
            testid="record-split-minutes"
            onCommit={(splitMinutes) => void actions.changeRecording({ splitMinutes })}
          />
        </Field>
        <Field label={words.recordSplitSize}>
          <NumberField
            value={wanted.splitMib}
            {...RECORD_LIMITS.splitMib}
            step={1}
            unit="MiB"
            testid="record-split-mib"
            onCommit={(splitMib) => void actions.changeRecording({ splitMib })}
          />
        </Field>
      </div>
      <p class="quiet">{words.recordSplitNote}</p>
      {wanted.format === 'mp4' && (
        <div class="line-item" title={words.recordPlainNote}>
          <span>{words.recordPlain}</span>
          <Switch
            checked={wanted.plain}
            label={words.recordPlain}
            disabled={busy}
            testid="record-plain"
            onChange={(plain) => void actions.changeRecording({ plain })}
          />
        </div>
      )}
      <div class="line-item" title={words.recordTracksNote}>
        <span>{words.recordTracks}</span>
        <Switch
          checked={wanted.inputTracks}
          label={words.recordTracks}
          disabled={busy}
          testid="record-tracks"
          onChange={(inputTracks) => void actions.changeRecording({ inputTracks })}
        />
      </div>
      <div class="line-item" title={words.replayNote}>
        <span>{words.replay}</span>
        <Switch checked={state.state?.replay === true} label={words.replay} testid="replay" onChange={(replay) => void actions.changeRecording({ replay })} />
      </div>
      <div class="fields">
        <Field label={words.replayLength} wide>
          <NumberField
            value={wanted.replaySeconds}
            {...RECORD_LIMITS.replaySeconds}
            step={1}
            unit={words.secondsUnit}
            testid="replay-seconds"
            onCommit={(replaySeconds) => void actions.changeRecording({ replaySeconds })}
          />
        </Field>
      </div>
    </Panel>
  );
}
