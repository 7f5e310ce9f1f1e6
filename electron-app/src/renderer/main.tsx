/** The page's entry: fetches where things stand, joins the parts, and draws. */
import { render } from 'preact';
import { makeActions } from './actions';
import { MeterBus } from './meters';
import { mayShow } from './pace';
import { linkPreview } from './preview_link';
import { SceneDesk } from './scene_desk';
import { initialState, Store } from './store';
import './styles/app.css';
import './styles/sources.css';
import { App } from './ui/app';
import { forwardKeys } from './window_keys';

async function begin(): Promise<void> {
  const bridge = window.tidecast;
  const answer = await bridge.bootstrap();
  if (!answer.ok) throw new Error(answer.problem.message);
  const boot = answer.value;
  const store = new Store(initialState(boot));
  const actions = makeActions(bridge, store);
  const meters = new MeterBus();
  const desk = new SceneDesk(store, actions);

  bridge.onState((state) => store.set({ state }));
  bridge.onStats((stats) => {
    // The timer goes with the figures: what changes at once costs one picture, not two.
    const { stats: shown, now: at, mirrored } = store.get();
    if (!mayShow({ stats: shown, at }, stats, Date.now(), mirrored)) return;
    if (!store.get().figures) return store.set({ stats, now: Date.now() });
    // Both in one change of the window; a browser that can't say must not hold the figures back.
    void link.delays().then(
      (delays) => store.set({ stats, delays, now: Date.now() }),
      () => store.set({ stats, delays: undefined, now: Date.now() }),
    );
  });
  bridge.onEncoders((encoders) => store.set({ encoders }));
  bridge.onHost((host) => store.set({ host }));
  bridge.onSettings((settings) => store.set({ settings }));
  bridge.onNotice(actions.takeNotice);
  bridge.onMirrored((mirrored) => store.set({ mirrored }));
  bridge.onAskQuit(() => store.set({ askQuit: true }));
  boot.notices.forEach(actions.takeNotice);

  const link = linkPreview(bridge, meters, {
    onStream: (stream) => store.set({ stream }),
    onConnected: (previewConnected) => store.set({ previewConnected }),
  });

  forwardKeys(bridge, store);

  const root = document.getElementById('app');
  if (root !== null) render(<App store={store} actions={actions} meters={meters} desk={desk} onHotKey={bridge.onHotKey} />, root);
}

void begin();
