/** The stage: the stream as the viewers get it, or a card that says why there is no picture. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { sayCode, sayProblem } from '../../shared/i18n/index';
import { sourceTitle } from '../../shared/source_names';
import { isCapturing, isPublishing } from '../actions';
import { useUi } from './context';
import { IconButton } from './controls';
import { Icon, type IconName } from './icons';
import { SceneOverlay } from './scene_overlay';

function Card(props: { icon: IconName; title: string; text: string; hint?: string; busy?: boolean; children?: ComponentChildren; kind: string }) {
  return (
    <div class={`card${props.busy === true ? ' busy' : ''}`} data-testid="preview-card" data-kind={props.kind} role="status">
      <span class="card-icon">
        <Icon name={props.icon} size={30} />
      </span>
      <h3>{props.title}</h3>
      {props.text !== '' && <p>{props.text}</p>}
      {props.hint !== undefined && <p class="card-hint">{props.hint}</p>}
      {props.children}
    </div>
  );
}

/** Why the video is not to be seen, or nothing where it is. */
function useCard(hasPicture: boolean) {
  const { state, actions, words, say } = useUi();
  const { host } = state;
  if (host.kind === 'failed') {
    const { message, hint } = sayProblem(words, host.problem);
    return (
      <Card kind="engine-failed" icon="warning" title={words.engineFailedTitle} text={message} hint={hint}>
        <button type="button" class="button" onClick={() => void actions.restartEngine()}>
          {words.engineRestart}
        </button>
      </Card>
    );
  }
  if (host.kind === 'starting') return <Card kind="engine-starting" icon="chip" title={words.engineStarting} text="" busy />;
  if (host.kind === 'restarting') return <Card kind="engine-restarting" icon="chip" title={words.engineRestarting} text="" busy />;
  if (!isCapturing(state)) {
    if (state.busy === 'start') return <Card kind="starting" icon="play" title={words.starting} text="" busy />;
    const chosen = state.sources?.video.find((source) => source.id === state.chosen);
    if (chosen === undefined) return <Card kind="empty" icon="screen" title={words.emptyTitle} text={words.emptyText} />;
    return <Card kind="ready" icon="play" title={words.readyTitle} text={say('readyText', { source: sourceTitle(words, chosen) })} />;
  }
  const capture = state.state?.capture;
  if (capture?.kind === 'lost') {
    const { message, hint } = sayCode(words, capture.code);
    return <Card kind="lost" icon="warning" title={words.lostTitle} text={message} hint={hint} />;
  }
  if (state.mirrored) {
    const text = isPublishing(state) ? words.mirrorTextLive : words.mirrorText;
    return <Card kind="mirror" icon="mirror" title={words.mirrorTitle} text={text} hint={words.mirrorHint} />;
  }
  if (capture?.kind === 'paused') {
    const { message, hint } = sayCode(words, capture.code);
    return <Card kind="paused" icon="pause" title={words.pausedTitle} text={message} hint={hint} />;
  }
  if (!state.previewConnected) return <Card kind="connecting" icon="eye" title={words.preview_reconnecting} text="" busy />;
  if (!hasPicture) return <Card kind="waiting" icon="eye" title={words.waitingForPicture} text="" busy />;
  return undefined;
}

export function Preview() {
  const { state, store, words } = useUi();
  const video = useRef<HTMLVideoElement>(null);
  const [hasPicture, setHasPicture] = useState(false);
  const [muted, setMuted] = useState(true);
  const card = useCard(hasPicture);
  const { stream } = state;

  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    element.srcObject = stream ?? null;
    setHasPicture(false);
  }, [stream]);

  // A video that nobody sees is not played, unless somebody listens to it.
  const idle = card !== undefined && state.mirrored && muted;
  useEffect(() => {
    const element = video.current;
    if (element === null || stream === undefined) return;
    if (idle) element.pause();
    // Refused only where the page is being torn down or the stream was just replaced.
    else element.play().catch(() => undefined);
  }, [stream, idle]);

  const publishing = isPublishing(state);
  return (
    <div class={`stage${publishing ? ' on-air' : ''}${card === undefined ? ' has-picture' : ''}`}>
      <video
        ref={video}
        data-testid="preview-video"
        class={card === undefined ? '' : 'hidden'}
        muted={muted}
        playsInline
        disablePictureInPicture
        onLoadedData={() => setHasPicture(true)}
        onPlaying={() => setHasPicture(true)}
      />
      {card}
      {card === undefined && <SceneOverlay />}
      {isCapturing(state) && stream !== undefined && (
        <div class="stage-tools">
          <IconButton
            icon={muted ? 'speakerOff' : 'speaker'}
            label={muted ? words.unmute : words.mutePreview}
            pressed={!muted}
            testid="preview-mute"
            onClick={() => {
              const { audio } = state.settings;
              if (muted && audio.systemSound && !audio.systemMuted) {
                store.toast({ tone: 'warning', title: words.echoTitle, detail: words.echoText });
              }
              setMuted(!muted);
            }}
          />
        </div>
      )}
    </div>
  );
}
