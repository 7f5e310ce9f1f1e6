/** What can be captured: screens as cards, windows as rows, with live thumbnails while nothing is captured. */
import { useEffect, useState } from 'preact/hooks';
import { sayProblem } from '../../shared/i18n/index';
import type { VideoSource } from '../../shared/model';
import { sourceTitle } from '../../shared/source_names';
import { isCapturing, isPublishing } from '../actions';
import { CameraSoundButton } from './camera_sound';
import { useUi } from './context';
import { IconButton } from './controls';
import { useDragOut } from './drag_out';
import { Icon, type IconName } from './icons';
import { useSceneAdding } from './scene_adding';
import { ContextMenu, menuAt, type Menu } from './scene_menu';

/** A thumbnail costs a grab and a JPEG: twice in four seconds is enough to recognise a window by. */
const THUMBNAIL_MS = 2_000;
/** Every other round the list itself is read again, so that new windows and titles show up. */
const LIST_EVERY = 2;
/** While something is captured the list still learns of new windows, to change to. */
const CAPTURING_MS = 8_000;

function bust(url: string, round: number): string {
  return `${url}${url.includes('?') ? '&' : '?'}round=${round}`;
}

/** The kinds that a user makes: they are kept in the settings, and can be taken out of the list. */
const OWN_KINDS: readonly string[] = ['region', 'image', 'text', 'color', 'pattern'];

const ICONS: { readonly [kind: string]: IconName } = {
  monitor: 'screen',
  portal: 'screen',
  game: 'game',
  camera: 'camera',
  region: 'region',
  image: 'picture',
  text: 'letter',
  color: 'color',
  pattern: 'chart',
};

function iconOf(kind: string): IconName {
  return ICONS[kind] ?? 'window';
}

function Thumbnail({ source, round }: { source: VideoSource; round: number }) {
  const [broken, setBroken] = useState(false);
  useEffect(() => setBroken(false), [round, source.thumbnailUrl]);
  const { words } = useUi();
  return (
    <span class="thumb">
      {broken || source.thumbnailUrl === '' ? (
        <span class="thumb-empty" title={words.noPicture}>
          <Icon name={iconOf(source.kind)} size={22} />
        </span>
      ) : (
        <img src={bust(source.thumbnailUrl, round)} alt="" draggable={false} onError={() => setBroken(true)} />
      )}
    </span>
  );
}

/** Where a source can be dropped: the panel of scenes, and the preview while it shows one that is arranged. */
const SCENE_PLACES = '.panel.scenes, .scene-overlay';

interface Row {
  source: VideoSource;
  round: number;
  onMenu(event: MouseEvent, source: VideoSource): void;
}

/** What can be done with a source besides choosing it. */
function useActs(): (source: VideoSource) => Menu['acts'] {
  const { actions, words } = useUi();
  const { addScene, addToScene } = useSceneAdding();
  return (source) => [
    { label: words.sourceAlone, testid: 'source-alone', act: () => void actions.start(source.id) },
    { label: words.sourceToScene, testid: 'source-to-scene', act: () => addToScene(source.id) },
    { label: words.sourceNewScene, testid: 'source-new-scene', act: () => addScene(source.id) },
    ...(source.kind === 'portal' ? [{ label: words.portalAskAgain, testid: 'source-ask-again', act: () => void actions.askAgain(source.id) }] : []),
    ...(OWN_KINDS.includes(source.kind) ? [{ label: words.removeSource, testid: 'source-remove', act: () => void actions.removeSource(source.id) }] : []),
  ];
}

function SourceItem({ source, round, onMenu }: Row) {
  const { state, actions, words } = useUi();
  const captured = isCapturing(state) && state.state?.sourceId === source.id;
  const chosen = state.chosen === source.id;
  const size = source.width === 0 ? '' : `${source.width}×${source.height}`;
  const title = sourceTitle(words, source);
  const details = [source.program, size].filter((part) => part !== '').join(' · ');
  return (
    <button
      type="button"
      class={`source ${source.kind === 'monitor' ? 'monitor' : 'window'}${chosen ? ' chosen' : ''}${captured ? ' captured' : ''}`}
      aria-pressed={chosen}
      title={source.kind === 'game' ? words.gameSourceHint : source.kind === 'portal' ? words.portalSourceHint : title}
      data-testid="source-item"
      data-source-id={source.id}
      data-kind={source.kind}
      onClick={() => void actions.choose(source.id)}
      onDblClick={() => void actions.start(source.id)}
      onContextMenu={(event) => {
        event.preventDefault();
        onMenu(event, source);
      }}
    >
      <Thumbnail source={source} round={round} />
      <span class="source-text">
        <span class="source-title">{title}</span>
        <span class="source-detail">{details}</span>
      </span>
      {captured && <span class={`source-mark${isPublishing(state) ? ' live' : ''}`}>{isPublishing(state) ? words.captured : words.capturedPreview}</span>}
    </button>
  );
}

/** What the desktop shares, with the button that makes it ask anew. */
function SharedSource({ source, round, onMenu }: Row) {
  const { actions, words } = useUi();
  return (
    <div class="own-source">
      <SourceItem source={source} round={round} onMenu={onMenu} />
      <IconButton icon="refresh" label={words.portalAskAgain} testid="ask-again" onClick={() => void actions.askAgain(source.id)} />
    </div>
  );
}

/** A camera, with the button that takes its own microphone into the mix. */
function CameraSource({ source, round, onMenu }: Row) {
  return (
    <div class={source.microphone === undefined ? undefined : 'own-source'}>
      <SourceItem source={source} round={round} onMenu={onMenu} />
      <CameraSoundButton camera={source} />
    </div>
  );
}

/** A source that the user made, with the button that takes it out of the list. */
function OwnSource({ source, round, onMenu }: Row) {
  const { actions, words } = useUi();
  return (
    <div class="own-source">
      <SourceItem source={source} round={round} onMenu={onMenu} />
      <IconButton icon="close" label={words.removeSource} testid="remove-source" onClick={() => void actions.removeSource(source.id)} />
    </div>
  );
}

export function SourceList() {
  const { state, store, actions, words } = useUi();
  const [round, setRound] = useState(0);
  const [menu, setMenu] = useState<Menu | undefined>(undefined);
  const acts = useActs();
  const onMenu = (event: MouseEvent, source: VideoSource): void => setMenu(menuAt(event, acts(source)));
  const { addToScene } = useSceneAdding();
  const list = useDragOut('[data-testid="source-item"]', SCENE_PLACES, ({ dataset: { sourceId } }) => {
    if (sourceId !== undefined) addToScene(sourceId);
  });
  const running = state.host.kind === 'running';
  const lost = state.state?.capture.kind === 'lost';
  // While something is captured the thumbnails rest: each would be one more grab, and may be a change of the picture.
  const picking = !isCapturing(state) || lost;

  // Also when a capture ends by itself: what was captured is most likely no longer there.
  useEffect(() => {
    if (running) void actions.refreshSources();
  }, [running, lost]);

  useEffect(() => {
    if (!running) return undefined;
    let count = 0;
    const timer = setInterval(
      () => {
        if (document.hidden) return;
        count += 1;
        if (!picking || count % LIST_EVERY === 0) void actions.refreshSources();
        if (picking) setRound((value) => value + 1);
      },
      picking ? THUMBNAIL_MS : CAPTURING_MS,
    );
    return () => clearInterval(timer);
  }, [picking, running]);

  const sources = state.sources;
  const monitors = sources?.video.filter((source) => source.kind === 'monitor') ?? [];
  const shared = sources?.video.filter((source) => source.kind === 'portal') ?? [];
  const windows = sources?.video.filter((source) => source.kind === 'window' || source.kind === 'game') ?? [];
  const cameras = sources?.video.filter((source) => source.kind === 'camera') ?? [];
  const own = sources?.video.filter((source) => OWN_KINDS.includes(source.kind)) ?? [];
  const problems = [...(sources?.problems ?? []), ...(state.sourcesProblem === undefined ? [] : [state.sourcesProblem])];

  return (
    <aside class="sources" aria-label={words.sources}>
      <header class="panel-head">
        <h2>{words.sources}</h2>
        <IconButton icon="plus" label={words.addSource} testid="add-source" onClick={() => store.set({ dialog: 'add_source' })} />
        <IconButton
          icon="refresh"
          label={words.refresh}
          testid="refresh-sources"
          onClick={() => {
            setRound((value) => value + 1);
            void actions.refreshSources();
          }}
        />
      </header>
      <div class="source-scroll" ref={list}>
        {problems.map((problem) => {
          const { message, hint } = sayProblem(words, problem);
          return (
            <div class="notice" key={problem.code} role="note" data-testid="source-problem" data-code={problem.code}>
              <strong>{message}</strong>
              <span>{hint}</span>
            </div>
          );
        })}
        {sources === undefined && problems.length === 0 && <p class="quiet">{words.looking}</p>}
        {sources !== undefined && sources.video.length === 0 && problems.length === 0 && <p class="quiet">{words.noSources}</p>}
        {monitors.length + shared.length > 0 && <h3>{words.monitors}</h3>}
        {shared.map((source) => (
          <SharedSource key={source.id} source={source} round={round} onMenu={onMenu} />
        ))}
        {monitors.map((source) => (
          <SourceItem key={source.id} source={source} round={round} onMenu={onMenu} />
        ))}
        {sources !== undefined && sources.video.length > 0 && (windows.length > 0 || shared.length === 0) && <h3>{words.windows}</h3>}
        {windows.map((source) => (
          <SourceItem key={source.id} source={source} round={round} onMenu={onMenu} />
        ))}
        {cameras.length > 0 && <h3>{words.cameras}</h3>}
        {cameras.map((source) => (
          <CameraSource key={source.id} source={source} round={round} onMenu={onMenu} />
        ))}
        {own.length > 0 && <h3>{words.ownSources}</h3>}
        {own.map((source) => (
          <OwnSource key={source.id} source={source} round={round} onMenu={onMenu} />
        ))}
        {sources !== undefined && sources.video.length > 0 && windows.length + shared.length === 0 && <p class="quiet">{words.noWindows}</p>}
      </div>
      {menu !== undefined && <ContextMenu menu={menu} onClose={() => setMenu(undefined)} />}
    </aside>
  );
}
