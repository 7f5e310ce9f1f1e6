/** Puts the rooms together: one instance, one window, one engine, one studio. Decides nothing by itself. */
import { app, clipboard, dialog, globalShortcut, powerSaveBlocker, type BrowserWindow } from 'electron';
import * as path from 'path';
import { cardTexts } from '../shared/card_texts';
import { actHotKey, idOfAct } from '../shared/act_keys';
import { idOfScene, sceneHotKey } from '../shared/hot_keys';
import type { MessageName, Messages, Notice, PublicSettings, Versions } from '../shared/contract';
import { intersects } from '../shared/geometry';
import { dictionaryOf, languageFor } from '../shared/i18n/index';
import type { Language } from '../shared/settings';
import { runDemo, wantsDemo } from './demo';
import { diagnosticsBundle } from './diagnostics';
import { deviceNodes, drawsWithoutOpenGl } from './drawing';
import { EngineHost } from './engine_host';
import { serveCalls, tell, type Handlers } from './ipc';
import { Journal } from './journal';
import { declareScheme, servePage } from './page_protocol';
import { problemOf, ProblemError } from './problem';
import { DestinationList } from './destination_list';
import { RecordingDesk } from './recording_desk';
import { GlobalKeys, isWayland } from './global_keys';
import { Grants } from './grants';
import { KeyStore } from './key_store';
import { canKeepSecrets, seal, unseal } from './secrets';
import { lockDown } from './security';
import { SettingsStore } from './settings_store';
import { spawnHost } from './spawn_host';
import { Studio } from './studio';
import { electronMajor, keptOutOfCaptures, nativeWindowId, OLDEST_SUPPORTED, openWindow, windowArea, windowTitle } from './window';

const journal = new Journal();

// Without a handler Electron shows a modal box that stops everything, a running stream's controls too.
process.on('uncaughtException', (error) => report(`uncaught: ${error.stack ?? error.message}`));
process.on('unhandledRejection', (reason) => report(`unhandled: ${String(reason)}`));

function report(line: string): void {
  journal.note(line);
  process.stderr.write(`tidecast: ${line}\n`);
}

const userData = process.env.TIDECAST_USER_DATA;
if (userData !== undefined && userData !== '') app.setPath('userData', path.resolve(userData));

declareScheme();
if (drawsWithoutOpenGl(process.platform, deviceNodes(), process.argv)) app.disableHardwareAcceleration();

if (app.requestSingleInstanceLock()) void app.whenReady().then(run);
else app.quit();

function versions(): Versions {
  return {
    app: app.getVersion(),
    electron: process.versions.electron ?? '',
    chromium: process.versions.chrome ?? '',
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
  };
}

function run(): void {
  let window: BrowserWindow | undefined;
  let pageListens = false;
  let mirrored = false;
  let quitting: 'no' | 'asked' | 'yes' = 'no';
  let blocker: number | undefined;
  const early: Notice[] = [];

  const toPage = <Name extends MessageName>(name: Name, message: Messages[Name]): void => {
    if (window !== undefined && !window.isDestroyed()) tell(window.webContents, name, message);
  };
  const notice = (it: Notice): void => {
    journal.note('notice', it);
    if (pageListens) toPage('notice', it);
    else early.push(it);
  };

  const settings = SettingsStore.open(app.getPath('userData'), notice);
  const publicSettings = (): PublicSettings => {
    const { sealedWhipKey, ...rest } = settings.get();
    return { ...rest, hasSavedWhipKey: sealedWhipKey !== undefined, takenKeys: takenKeys(), destinations: list.public(), recordingFolder: records.folder };
  };
  const language = (): Language => settings.get().language ?? languageFor(app.getLocale());

  const host: EngineHost = new EngineHost({
    spawn: (listeners) => spawnHost(listeners, (line) => report(line)),
    now: () => Date.now(),
    after: (ms, then) => {
      const timer = setTimeout(then, ms);
      return () => clearTimeout(timer);
    },
    onStatus: (status) => {
      journal.note('engine host', status);
      toPage('host', status);
    },
    onEvent: (event) => {
      if (event.type !== 'stats') journal.note('engine', event);
      studio.engineEvent(event);
    },
    onReady: (restarted) => {
      studio.engineReady(restarted);
      // A restarted engine has them from the session.
      if (!restarted) tellLanguage();
    },
  });

  const keys = new KeyStore(app.getPath('userData'), { seal, unseal });
  const studio: Studio = new Studio(
    host,
    settings,
    {
      state: (state) => {
        const live = state.publish.kind !== 'idle' && state.publish.kind !== 'failed';
        keepAwake(live || state.recording !== undefined);
        if (window !== undefined && !window.isDestroyed()) window.setTitle(windowTitle(live));
        toPage('state', state);
        lookForMirror();
      },
      stats: (stats) => toPage('stats', stats),
      encoders: (encoders) => toPage('encoders', encoders),
      notice,
      pageKey: (id) => toPage('hotKey', id),
      settings: () => toPage('settings', publicSettings()),
    },
    (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    new Grants(keys, () => notice({ kind: 'settings_not_saved' })),
  );

  const records = new RecordingDesk(settings, studio);
  const tellLanguage = (): void => {
    studio.setCardTexts(cardTexts(language())).catch((error: unknown) => report(`card texts: ${String(error)}`));
  };
  const globalKeys = new GlobalKeys(globalShortcut, (id) => toPage('hotKey', id));
  const takenKeys = (): string[] => globalKeys.refused.map(({ keys }) => keys);
  const desktopKeys = isWayland(process.platform, process.env);
  const holdKeys = (): void => {
    const { sceneKeys = [], actKeys = [] } = settings.get();
    const words = dictionaryOf(language());
    if (desktopKeys) {
      // Electron's own shortcuts act in X programs only there: the engine asks the desktop, as for the sound's keys.
      const keys = [
        ...actKeys.map((key) => actHotKey(key, words[`act_${key.act}`])),
        ...sceneKeys.map((key) => sceneHotKey(key, `${words.newScene} – ${key.scene}`)),
      ];
      studio.audio.watchKeys(keys).catch((error: unknown) => notice({ kind: 'warning', problem: problemOf(error) }));
      return;
    }
    const known = takenKeys();
    const wanted = [
      ...actKeys.map(({ act, keys }) => ({ id: idOfAct(act), keys, name: words[`act_${act}`] })),
      ...sceneKeys.map(({ scene, keys }) => ({ id: idOfScene(scene), keys, name: scene })),
    ];
    const refused = globalKeys.hold(wanted);
    for (const { keys, name } of wanted.filter(({ id }) => refused.some((key) => key.id === id))) {
      // Its field says so all the time; the notice is for who looks elsewhere.
      if (known.includes(keys)) continue;
      const message = `The hot key ${keys} of "${name}" belongs to another program.`;
      notice({ kind: 'warning', problem: { code: 'hot_key_taken', message, hint: 'Choose another hot key.' } });
    }
  };
  holdKeys();
  // Who comes back to the window may have ended the program that had a key.
  app.on('browser-window-focus', () => {
    if (takenKeys().length === 0) return;
    holdKeys();
    toPage('settings', publicSettings());
  });
  const list = new DestinationList(settings, keys, studio, () => records.readyFolder());
  const changed = async (work: Promise<void>): Promise<void> => {
    await work;
    toPage('settings', publicSettings());
  };

  function keepAwake(live: boolean): void {
    if (live && blocker === undefined) blocker = powerSaveBlocker.start('prevent-display-sleep');
    if (!live && blocker !== undefined) {
      powerSaveBlocker.stop(blocker);
      blocker = undefined;
    }
  }

  /** Does our window lie in what is captured? Then the preview would show itself, without end. */
  function lookForMirror(): void {
    const captured = studio.sources.capturedDesktop;
    const ours = window === undefined ? undefined : windowArea(window);
    const now = captured !== undefined && ours !== undefined && !keptOutOfCaptures() && intersects(captured, ours);
    if (now !== mirrored) {
      mirrored = now;
      toPage('mirrored', mirrored);
    }
  }

  function leave(): void {
    quitting = 'yes';
    keepAwake(false);
    // Ending in order may take the engine a moment that nobody has to watch.
    if (window !== undefined && !window.isDestroyed()) window.hide();
    void host.stop(studio.isRecording).then(() => app.exit(0));
  }

  function mayClose(): boolean {
    if (quitting === 'yes') return false;
    if (window !== undefined && !window.isDestroyed() && !window.isFullScreen() && !window.isMaximized()) {
      const [width, height] = window.getSize();
      if (width !== undefined && height !== undefined) settings.update({ window: { width, height } });
    }
    if (!studio.air.isLive && !studio.isRecording) leave();
    else if (pageListens) toPage('askQuit', null);
    else if (quitting === 'no') void askWithoutPage();
    return false;
  }

  async function askWithoutPage(): Promise<void> {
    quitting = 'asked';
    const words = dictionaryOf(language());
    const { response } = await dialog.showMessageBox({
      type: 'question',
      message: studio.air.isLive ? words.quitTitle : words.quitRecordingTitle,
      detail: studio.air.isLive ? words.quitText : words.quitRecordingText,
      buttons: studio.air.isLive ? [words.quitNo, words.quitYes] : [words.quitRecordingNo, words.quitRecordingYes],
      defaultId: 0,
      cancelId: 0,
    });
    quitting = 'no';
    if (response === 1) leave();
  }

  const handlers: Handlers = {
    bootstrap: async () => {
      pageListens = true;
      return {
        settings: publicSettings(),
        language: language(),
        versions: versions(),
        oldRuntime: electronMajor() < OLDEST_SUPPORTED,
        desktopKeys,
        canKeepSecrets: canKeepSecrets(),
        host: host.status,
        state: studio.view,
        stats: studio.stats,
        encoders: studio.encoders,
        mirrored,
        notices: early.splice(0),
      };
    },
    listSources: () => studio.sources.list(),
    probeEncoders: () => studio.probeEncoders(),
    addSource: (id) => studio.sources.add(id),
    removeSource: (id) => studio.sources.remove(id),
    choosePicture: async () => {
      const filters = [{ name: 'PNG, JPEG, WebP', extensions: ['png', 'jpg', 'jpeg', 'webp'] }];
      const question: Electron.OpenDialogOptions = { properties: ['openFile'], filters };
      const { filePaths } = await (window === undefined ? dialog.showOpenDialog(question) : dialog.showOpenDialog(window, question));
      return filePaths[0] === undefined ? null : { path: filePaths[0] };
    },
    startCapture: (sourceId) => studio.startCapture(sourceId),
    showScene: (scene, transition) => studio.showScene(scene, transition),
    stopCapture: () => studio.stopCapture(),
    changeVideo: (change) => studio.changeVideo(change),
    changeTuning: (change) => studio.changeTuning(change),
    changeAudio: (change) => studio.audio.change(change),
    pressKey: ({ code, down }) => studio.audio.pressKey(code, down),
    goLive: async (target) => {
      if (target.kind === 'list') {
        settings.update({ destination: 'list' });
        return studio.air.goLiveToList(list.wanted());
      }
      if (target.kind === 'local') {
        settings.update({ destination: 'local' });
        return studio.air.goLive(target, undefined);
      }
      const saved = settings.get().sealedWhipKey;
      const key = target.key ?? (target.useSavedKey && saved !== undefined ? unseal(saved) : undefined);
      if (target.useSavedKey && saved !== undefined && key === undefined) {
        throw new ProblemError({
          code: 'saved_key_unreadable',
          message: 'The saved key can no longer be read.',
          hint: 'Enter the key again.',
        });
      }
      const sealedWhipKey = target.keepKey && key !== undefined ? seal(key) : saved;
      settings.update({ destination: 'whip', whipUrl: target.url, sealedWhipKey });
      toPage('settings', publicSettings());
      return studio.air.goLive(target, key);
    },
    endLive: () => studio.air.endLive(),
    saveCanvas: (draft, force) => changed(studio.canvases.save(draft, force)),
    removeCanvas: (id) => changed(studio.canvases.remove(id)),
    canvasCost: (draft) => studio.canvases.cost(draft),
    simulcastCost: (canvas) => studio.canvases.simulcastCost(canvas),
    saveDestination: (draft) => changed(list.save(draft)),
    removeDestination: (id) => changed(list.remove(id)),
    switchDestination: ({ id, on }) => changed(list.turn(id, on)),
    retryDestination: (id) => studio.air.retryDestination(id),
    testDestination: (draft) => list.test(draft),
    choosePrimary: (id) => changed(list.choosePrimary(id)),
    saveProfile: async (name) => changed(list.saveProfile(name)),
    removeProfile: async (id) => changed(list.removeProfile(id)),
    pickProfile: (id) => changed(list.pickProfile(id)),
    startRecording: () => records.start(),
    stopRecording: () => studio.record({ type: 'stop_recording' }),
    pauseRecording: (paused) => studio.record({ type: 'pause_recording', paused }),
    addChapter: (title) => studio.record({ type: 'add_chapter', title }),
    saveReplay: () => records.saveReplay(),
    changeRecording: (change) => changed(records.change(change)),
    chooseRecordingFolder: () => changed(records.chooseFolder(window)),
    showSaved: (file) => records.show(file),
    openPreview: () => studio.openPreview(),
    changeSettings: async (change) => {
      settings.update(change);
      if (change.sceneKeys !== undefined || change.actKeys !== undefined) holdKeys();
      if (change.scenes !== undefined) void studio.followed();
      if (change.language !== undefined) tellLanguage();
      toPage('settings', publicSettings());
    },
    forgetWhipKey: async () => {
      settings.update({ sealedWhipKey: undefined });
      toPage('settings', publicSettings());
    },
    copyViewLink: async () => {
      const link = studio.viewUrl;
      if (link !== undefined) clipboard.writeText(link);
    },
    copyDiagnostics: async () => {
      const { view: state, stats, encoders } = studio;
      const input = { versions: versions(), settings: settings.get(), host: host.status, state, stats, encoders };
      clipboard.writeText(diagnosticsBundle({ ...input, events: journal.all() }, new Date()));
    },
    restartEngine: async () => host.start(),
    answerQuit: async (quit) => {
      if (quit) leave();
    },
  };

  lockDown();
  servePage(path.join(__dirname, '..', 'renderer'));
  serveCalls(handlers);

  window = openWindow(settings.get().window, { placed: lookForMirror, mayClose, log: report });
  window.webContents.on('did-start-loading', () => {
    pageListens = false;
  });
  window.on('closed', () => {
    window = undefined;
  });
  app.on('second-instance', () => {
    if (window === undefined) return;
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
  });
  app.on('before-quit', (event) => {
    // A quit that does not come from the window (the dock, a signal) takes the same way.
    if (quitting !== 'yes') {
      event.preventDefault();
      mayClose();
    }
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, leave);

  host.start();
  const ownWindow = nativeWindowId(window);
  if (ownWindow !== undefined) void studio.excludeWindow(ownWindow).catch((error) => notice({ kind: 'warning', problem: problemOf(error) }));
  void studio.proposeOnFirstRun();
  if (wantsDemo(process.argv, process.env.TIDECAST_AUTOSTART)) {
    runDemo(studio).then(
      (link) => process.stdout.write(`TIDECAST_VIEW_URL ${link}\n`),
      (error: unknown) => {
        const problem = problemOf(error);
        process.stderr.write(`tidecast: ${problem.code}: ${problem.message} ${problem.hint}\n`);
        notice({ kind: 'error', problem });
      },
    );
  }
}
