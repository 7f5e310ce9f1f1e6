/** The recording at hand: begin and end, pause, a chapter mark, and the replay; shown while capturing. */
import { isCapturing, isRecording } from '../actions';
import { clockText } from './clock_text';
import { useUi } from './context';
import { IconButton } from './controls';
import { Icon } from './icons';
import { roomText, sizeText } from './record_text';

export function RecordBar() {
  const { state, actions, words, say } = useUi();
  if (!isCapturing(state)) return null;
  const recording = state.state?.recording;
  const figures = isRecording(state) ? (state.stats?.recording ?? undefined) : undefined;
  const replay = state.state?.replay === true;
  const kept = state.stats?.replay?.durationMs;
  const ready = state.host.kind === 'running';
  const running = recording !== undefined;
  const paused = recording?.paused === true;
  return (
    <section class="record-bar" aria-label={words.recording} data-testid="record-bar" data-recording={running}>
      <div class="record-line">
        <button
          type="button"
          class={`button small ${running ? 'danger-outline' : ''}`}
          title={running ? words.recordStopTitle : words.recordStartTitle}
          disabled={!ready}
          data-testid="record"
          onClick={() => void actions.toggleRecording()}
        >
          <Icon name={running ? 'stop' : 'record'} size={16} />
          <span>{running ? words.recordStop : words.record}</span>
        </button>
        {running && (
          <>
            <IconButton
              icon={paused ? 'play' : 'pause'}
              label={paused ? words.recordResume : words.recordPause}
              pressed={paused}
              disabled={!ready}
              testid="record-pause"
              onClick={() => void actions.pauseRecording(!paused)}
            />
            <IconButton icon="flag" label={words.recordChapter} disabled={!ready || paused} testid="record-chapter" onClick={() => void actions.addChapter()} />
          </>
        )}
        {replay && running && (
          <IconButton icon="import" label={words.replaySaveTitle} disabled={!ready || !kept} testid="replay-save" onClick={() => void actions.saveReplay()} />
        )}
        {replay && !running && (
          <button
            type="button"
            class="button small"
            title={words.replaySaveTitle}
            disabled={!ready || !kept}
            data-testid="replay-save"
            onClick={() => void actions.saveReplay()}
          >
            <Icon name="undo" size={16} />
            <span>{kept === undefined ? words.replaySave : say('replaySaveLast', { seconds: Math.round(kept / 1000) })}</span>
          </button>
        )}
      </div>
      {running && (
        <p class="record-figures" role="status" title={recording.file}>
          <span class={`record-dot${paused ? ' paused' : ''}`} aria-hidden="true" />
          <strong data-testid="record-time">{clockText(figures?.durationMs ?? 0)}</strong>
          <span data-testid="record-size">{sizeText(figures?.bytes ?? 0)}</span>
          {paused && <span>{words.recordPaused}</span>}
          {!paused && figures?.roomS !== undefined && figures.roomS !== null && (
            <span data-testid="record-room">{say('recordRoom', { time: roomText(figures.roomS, words) })}</span>
          )}
        </p>
      )}
    </section>
  );
}
