/** What the user can do, from a button or a key: calls main, and says what went wrong. */
import type { CanvasDraft } from '../shared/canvases';
import type { Answer, Bridge, GoLiveTarget, Notice, SettingsChange, VideoChange } from '../shared/contract';
import type { DestinationDraft } from '../shared/destinations';
import { dictionaryOf, fill, sayCode, sayProblem, type Dictionary } from '../shared/i18n/index';
import type { Problem, Tuning } from '../shared/model';
import type { RecordingChange } from '../shared/recording';
import type { Scene, Transition } from '../shared/scene';
import type { AudioPreferences } from '../shared/settings';
import { sourceTitle } from '../shared/source_names';
import type { PageState, Store } from './store';
import { clockText } from './ui/clock_text';

export type Actions = ReturnType<typeof makeActions>;

export function isCapturing(state: PageState): boolean {
  return state.state !== undefined && state.state.capture.kind !== 'idle';
}

/** Viewers see it, or would if the network were well. */
export function isPublishing(state: PageState): boolean {
  const kind = state.state?.publish.kind;
  return kind === 'connecting' || kind === 'live' || kind === 'reconnecting';
}

export function isRecording(state: PageState): boolean {
  return state.state?.recording !== undefined;
}

/** A file's name without its folder, of any system. */
function nameOf(file: string): string {
  return file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
}

export function makeActions(bridge: Bridge, store: Store) {
  const words = (): Dictionary => dictionaryOf(store.get().language);

  function tellProblem(problem: Problem, tone: 'warning' | 'error' = 'error'): void {
    const { message, hint } = sayProblem(words(), problem);
    store.toast({ tone, title: message, detail: hint, code: problem.code });
  }

  async function ask<T>(call: Promise<Answer<T>>): Promise<T | undefined> {
    const answer = await call;
    if (answer.ok) return answer.value;
    tellProblem(answer.problem);
    return undefined;
  }

  async function whileBusy(kind: NonNullable<PageState['busy']>, work: () => Promise<unknown>): Promise<void> {
    if (store.get().busy !== undefined) return;
    store.set({ busy: kind });
    try {
      await work();
    } finally {
      store.set({ busy: undefined });
    }
  }

  async function start(sourceId?: string): Promise<void> {
    const chosen = sourceId ?? store.get().chosen;
    if (chosen === undefined) return;
    await whileBusy('start', () => ask(bridge.startCapture(chosen)));
  }

  /** Starts with a scene, or goes over to it live. */
  async function showScene(scene: Scene, transition: Transition): Promise<void> {
    if (isCapturing(store.get())) await ask(bridge.showScene(scene, transition));
    else await whileBusy('start', () => ask(bridge.showScene(scene, transition)));
  }

  const stop = (): Promise<void> => whileBusy('stop', () => ask(bridge.stopCapture()));

  async function choose(id: string): Promise<void> {
    store.set({ chosen: id });
    // While capturing, a click changes to the other source without a break.
    const state = store.get();
    // One that was lost is started anew even by its own name: the system gives a closed window's number to the next.
    const another = state.state?.sourceId !== id || state.state.capture.kind === 'lost';
    if (isCapturing(state) && another) await start(id);
  }

  function target(whip: { url: string; key: string; keep: boolean }): GoLiveTarget {
    const { settings } = store.get();
    if (settings.destination !== 'whip') return { kind: settings.destination };
    const key = whip.key === '' ? undefined : whip.key;
    return {
      kind: 'whip',
      url: whip.url.trim(),
      key,
      useSavedKey: key === undefined && settings.hasSavedWhipKey,
      keepKey: whip.keep,
      simulcast: settings.whipSimulcast,
    };
  }

  async function goLive(whip: { url: string; key: string; keep: boolean }): Promise<void> {
    if (!isCapturing(store.get())) await start();
    // `state` may follow the answer by a moment; main itself refuses where nothing is captured.
    await whileBusy('live', () => ask(bridge.goLive(target(whip))));
  }

  const endLive = (): Promise<void> => whileBusy('end', () => ask(bridge.endLive()));

  async function refreshSources(): Promise<void> {
    const answer = await bridge.listSources();
    if (!answer.ok) {
      store.set({ sourcesProblem: answer.problem });
      return;
    }
    const sources = answer.value;
    const { chosen } = store.get();
    const stillThere = sources.video.some((source) => source.id === chosen);
    // After a restart: the one of last time, found by what lasts.
    const known = sources.video.find(({ lastingId }) => lastingId === store.get().settings.lastSource);
    const next = { sources, sourcesProblem: undefined, chosen: stillThere ? chosen : (known ?? sources.video[0])?.id };
    const { sources: old, sourcesProblem, chosen: oldChosen } = store.get();
    // A list that says the same changes nothing: a window that rests stays at rest.
    if (sourcesProblem === undefined && oldChosen === next.chosen && JSON.stringify(old) === JSON.stringify(sources)) return;
    store.set(next);
  }

  /** Gives what is wrong with it, to be said where it was typed. */
  async function addSource(id: string): Promise<Problem | undefined> {
    const answer = await bridge.addSource(id);
    if (!answer.ok) return answer.problem;
    await refreshSources();
    await choose(answer.value.id);
    return undefined;
  }

  /** Lets the desktop ask which screen or window is meant; at once where it is captured now. */
  async function askAgain(id: string): Promise<void> {
    await ask(bridge.removeSource(id));
    const { state } = store.get();
    if (state?.sourceId === id) await start(id);
  }

  async function removeSource(id: string): Promise<void> {
    await ask(bridge.removeSource(id));
    await refreshSources();
  }

  function takeNotice(notice: Notice): void {
    const t = words();
    switch (notice.kind) {
      case 'engine_restarted':
        store.toast({ tone: 'warning', title: t.engineRestarted, code: 'engine_restarted' });
        return;
      case 'view_link_changed':
        store.toast({ tone: 'warning', title: t.viewLinkChanged });
        return;
      case 'saved':
        store.toast({ tone: 'good', title: fill(t.recordSaved, { file: nameOf(notice.file) }), code: 'recording_saved', file: notice.file });
        return;
      case 'recording_interrupted':
        store.toast({
          tone: 'error',
          title: t.recordInterrupted,
          detail: fill(t.recordInterruptedHint, { file: nameOf(notice.file) }),
          code: 'recording_interrupted',
          file: notice.file,
        });
        return;
      case 'settings_corrupt':
        store.toast({
          tone: 'error',
          title: t.settingsCorrupt,
          detail: fill(t.settingsCorruptHint, { file: notice.keptAs }),
          code: 'settings_corrupt',
        });
        return;
      case 'settings_not_saved':
        store.toast({ tone: 'error', title: t.settingsNotSaved, detail: t.settingsNotSavedHint, code: 'settings_not_saved' });
        return;
      case 'source_warning': {
        const { message, hint } = sayCode(t, notice.problem.code);
        const title = fill(t.sourceWithoutPicture, { name: sourceTitle(t, notice.source) });
        store.toast({ tone: 'warning', title, detail: fill(t.sourceWhy, { message, hint }), code: notice.problem.code });
        return;
      }
      case 'warning':
      case 'error':
        tellProblem(notice.problem, notice.kind);
        return;
    }
  }

  async function toggleRecording(): Promise<void> {
    await ask(isRecording(store.get()) ? bridge.stopRecording() : bridge.startRecording());
  }

  async function addChapter(): Promise<void> {
    const time = clockText(store.get().stats?.recording?.durationMs ?? 0);
    const answer = await bridge.addChapter(fill(words().recordChapterName, { time }));
    if (answer.ok) store.toast({ tone: 'good', title: fill(words().recordChapterSet, { time }) });
    else tellProblem(answer.problem);
  }

  return {
    toggleRecording,
    addChapter,
    pauseRecording: (paused: boolean) => ask(bridge.pauseRecording(paused)),
    saveReplay: () => ask(bridge.saveReplay()),
    changeTuning: (change: Partial<Tuning>) => ask(bridge.changeTuning(change)),
    changeRecording: (change: RecordingChange) => ask(bridge.changeRecording(change)),
    chooseRecordingFolder: () => ask(bridge.chooseRecordingFolder()),
    showSaved: (file: string) => ask(bridge.showSaved(file)),
    start,
    showScene,
    stop,
    choose,
    goLive,
    endLive,
    refreshSources,
    addSource,
    removeSource,
    askAgain,
    choosePicture: () => ask(bridge.choosePicture()),
    takeNotice,
    changeVideo: (change: VideoChange) => ask(bridge.changeVideo(change)),
    changeAudio: (change: Partial<AudioPreferences>) => ask(bridge.changeAudio(change)),
    changeSettings: (change: SettingsChange) => {
      if (change.language !== undefined) store.set({ language: change.language });
      store.set({ settings: { ...store.get().settings, ...change } });
      return ask(bridge.changeSettings(change));
    },
    probe: () => ask(bridge.probeEncoders()),
    saveCanvas: (draft: CanvasDraft, force: boolean) => bridge.saveCanvas(draft, force),
    removeCanvas: (id: string) => ask(bridge.removeCanvas(id)),
    canvasCost: (draft: CanvasDraft) => bridge.canvasCost(draft),
    simulcastCost: (canvas: string | undefined) => bridge.simulcastCost(canvas),
    /** Whether it was taken; what was wrong is told. */
    saveDestination: async (draft: DestinationDraft): Promise<boolean> => {
      const answer = await bridge.saveDestination(draft);
      if (!answer.ok) tellProblem(answer.problem);
      return answer.ok;
    },
    removeDestination: (id: string) => ask(bridge.removeDestination(id)),
    switchDestination: (id: string, on: boolean) => ask(bridge.switchDestination({ id, on })),
    retryDestination: (id: string) => ask(bridge.retryDestination(id)),
    testDestination: (draft: DestinationDraft) => bridge.testDestination(draft),
    choosePrimary: (id: string) => ask(bridge.choosePrimary(id)),
    /** Whether it was taken; what was wrong is told. */
    saveProfile: async (name: string): Promise<boolean> => {
      const answer = await bridge.saveProfile(name);
      if (!answer.ok) tellProblem(answer.problem);
      return answer.ok;
    },
    removeProfile: (id: string) => ask(bridge.removeProfile(id)),
    pickProfile: (id: string) => ask(bridge.pickProfile(id)),
    forgetKey: () => ask(bridge.forgetWhipKey()),
    restartEngine: () => ask(bridge.restartEngine()),
    copyLink: async () => {
      await ask(bridge.copyViewLink());
      store.toast({ tone: 'good', title: words().linkCopied });
    },
    copyDiagnostics: async () => {
      const answer = await bridge.copyDiagnostics();
      if (answer.ok) store.toast({ tone: 'good', title: words().diagnosticsCopied });
      else tellProblem(answer.problem);
    },
    answerQuit: (quit: boolean) => {
      store.set({ askQuit: false });
      return ask(bridge.answerQuit(quit));
    },
  };
}
