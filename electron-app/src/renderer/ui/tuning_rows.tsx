/** What the engine may change by itself, for the network and for the processor. */
import { DEFAULT_TUNING } from '../../shared/tuning';
import { useUi } from './context';
import { Field, Select, Switch } from './controls';

export function TuningRows() {
  const { state, actions, words } = useUi();
  const tuning = state.settings.tuning ?? DEFAULT_TUNING;
  return (
    <>
      <div class="line-item" title={words.adaptNote}>
        <span>{words.adapt}</span>
        <Switch checked={tuning.adapt} label={words.adapt} testid="adapt" onChange={(adapt) => void actions.changeTuning({ adapt })} />
      </div>
      {tuning.adapt && (
        <div class="line-item" title={words.adaptRecordingNote}>
          <span>{words.adaptRecording}</span>
          <Switch
            checked={tuning.adaptRecording}
            label={words.adaptRecording}
            testid="adapt-recording"
            onChange={(adaptRecording) => void actions.changeTuning({ adaptRecording })}
          />
        </div>
      )}
      <div class="fields">
        <Field label={words.effort} wide>
          <Select
            value={tuning.effort}
            options={[
              { value: 'least', label: words.effortLeast },
              { value: 'room', label: words.effortRoom },
            ]}
            testid="effort"
            onChange={(effort) => void actions.changeTuning({ effort: effort === 'room' ? 'room' : 'least' })}
          />
        </Field>
      </div>
      <div class="line-item" title={words.intraRefreshNote}>
        <span>{words.intraRefresh}</span>
        <Switch
          checked={tuning.intraRefresh}
          label={words.intraRefresh}
          testid="intra-refresh"
          onChange={(intraRefresh) => void actions.changeTuning({ intraRefresh })}
        />
      </div>
      <div class="line-item" title={words.zeroCopyNote}>
        <span>{words.zeroCopy}</span>
        <Switch checked={tuning.zeroCopy} label={words.zeroCopy} testid="zero-copy" onChange={(zeroCopy) => void actions.changeTuning({ zeroCopy })} />
      </div>
    </>
  );
}
