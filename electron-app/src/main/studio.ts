/**
 * What the user can do, without a window: the page and the headless demonstration both call it.
 *
 * It knows what was asked for (the session), sends it to the engine, brings a restarted engine back to it, and tells
 * what changed. Windows, IPC and files are other rooms'.
 */
import { inputCommands } from '../shared/audio_inputs';
import type { CardText } from '../shared/card_texts';
import type { GoLiveTarget, HostStatus, Notice, StateView, VideoChange } from '../shared/contract';
import type {
  Area,
  Command,
  Described,
  Destination,
  Encoders,
  EngineEvent,
  Outcome,
  PreviewEndpoint,
  Problem,
  Reply,
  Sources,
  State,
  Stats,
  Tuning,
  VideoSource,
} from '../shared/model';
import { LOCAL_ID } from '../shared/destinations';
import { hotKeyCommand, mutedBy } from '../shared/hot_keys';
import { isShared } from '../shared/source_ids';
import { emptySession, remember, replay, switched, type Session } from '../shared/session';
import type { Scene, Transition } from '../shared/scene';
import type { AudioPreferences } from '../shared/settings';
import { DEFAULT_TUNING } from '../shared/tuning';
import { DEFAULT_VIDEO } from '../shared/video_settings';
import type { Asked } from './destination_list';
import { allTogether } from './live_state';
import type { Grants } from './grants';
import { KnownSources } from './known_sources';
import { ProblemError, problemOf } from './problem';
import type { SettingsStore } from './settings_store';
import { stateView } from './state_view';

/** The part of the supervisor that is needed here. */
export interface Engine {
  readonly status: HostStatus;
  dispatch(command: Command): Promise<Outcome>;
}

export interface StudioListeners {
  state(state: StateView): void;
  stats(stats: Stats): void;
  encoders(encoders: Encoders): void;
  notice(notice: Notice): void;
  /** The settings were changed from in here (a proposal of the engine was taken). */
  settings(): void;
}

const NOTHING_ON: Problem = {
  code: 'no_destination_on',
  message: 'No destination is switched on.',
  hint: 'Switch at least one on, or add one.',
};

const NOT_CAPTURING: Problem = {
  code: 'not_capturing',
  message: 'Nothing is captured yet.',
  hint: 'Choose a screen or a window and press Start first.',
};

/** A port that the dead engine held can stay taken for a moment; three tries span the time a kill needs. */
const SERVER_TRIES = 3;
const SERVER_PAUSE_MS = 200;

export class Studio {
  private session: Session = emptySession;
  private state: State | undefined;
  private readonly sources = new KnownSources();
  private liveSince: number | undefined;
  private lastServer: { port: number; viewToken: string } | undefined;
  private lastStats: Stats | undefined;
  private lastEncoders: Encoders | undefined;
  /** What is complete on disk since the start, for the file manager. */
  readonly savedFiles = new Set<string>();
  private proposing: Promise<void> | undefined;
  /** Commands that change something run one after the other. */
  private queue: Promise<unknown> = Promise.resolve();
  private restored: Promise<void> = Promise.resolve();

  constructor(
    private readonly engine: Engine,
    private readonly settings: SettingsStore,
    private readonly listeners: StudioListeners,
    private readonly pause: (ms: number) => Promise<void>,
    private readonly grants: Pick<Grants, 'all' | 'keep' | 'forget'>,
  ) {
    const { audio, recording, tuning } = settings.get();
    this.session = {
      ...emptySession,
      microphone: audio.microphone,
      systemSound: audio.systemSound,
      replaySeconds: recording.replay ? recording.replaySeconds : undefined,
      muted: { microphone: audio.microphoneMuted, system_sound: audio.systemMuted },
      volume: { microphone: audio.microphoneVolume, system_sound: audio.systemVolume },
      headphones: audio.headphones,
      hotKeys: hotKeyCommand(audio.hotKeys ?? []).keys,
      tuning,
    };
    for (const command of inputCommands([], audio.inputs ?? [])) {
      this.session = remember(this.session, command, { type: 'done' });
    }
  }

  get view(): StateView | undefined {
    return this.state === undefined ? undefined : this.viewOf(this.state);
  }

  get stats(): Stats | undefined {
    return this.lastStats;
  }

  get encoders(): Encoders | undefined {
    return this.lastEncoders;
  }

  /** Whether viewers see, or would see if the network were well. */
  get isLive(): boolean {
    return this.session.publish !== undefined || this.listIsLive;
  }

  /** Whether any place of the list is switched on in the engine. */
  get listIsLive(): boolean {
    return Object.values(this.session.destinations).some((each) => each.running);
  }

  get isRecording(): boolean {
    return this.recordingFile !== undefined;
  }

  private get recordingFile(): string | undefined {
    return this.state?.recording?.file;
  }

  /**
   * The part of the desktop that is in the picture with all that lies on it, pixels; none where nothing is captured,
   * or a window by itself (what covers a captured window is not in its picture).
   */
  get capturedDesktop(): Area | undefined {
    if (this.state === undefined || this.state.capture.kind === 'idle') return undefined;
    const { sources, area } = this.state;
    return sources.some(({ id }) => this.sources.showsDesktop(id)) ? (area ?? undefined) : undefined;
  }

  get viewUrl(): string | undefined {
    return this.view?.viewLink?.url;
  }

  /** A fresh engine answers: brings it to where the session stands. */
  engineReady(restarted: boolean): void {
    // The dead engine's last state: the new one has not spoken yet.
    const file = this.recordingFile;
    if (restarted && file !== undefined) {
      this.savedFiles.add(file);
      this.listeners.notice({ kind: 'recording_interrupted', file });
    }
    this.restored = this.restore(restarted);
  }

  engineEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'state':
        this.takeState(event.state);
        return;
      case 'stats':
        this.lastStats = event.stats;
        this.listeners.stats(event.stats);
        return;
      case 'saved':
        this.savedFiles.add(event.file);
        this.listeners.notice({ kind: 'saved', file: event.file });
        return;
      case 'hot_key':
        this.hotKey(event.id);
        return;
      case 'source_granted':
        this.grants.keep(event.sourceId, event.token);
        return;
      case 'source_warning': {
        const source = this.sources.named(event.sourceId, this.session.scene?.scene);
        this.listeners.notice({ kind: 'source_warning', source, problem: event.problem });
        return;
      }
      case 'warning':
      case 'error':
        this.listeners.notice({ kind: event.type, problem: event.problem });
        return;
    }
  }

  async listSources(): Promise<Sources> {
    const reply = await this.ask({ type: 'list_sources' });
    if (reply.type !== 'sources') throw unexpected(reply);
    const own = await this.describe(this.settings.get().ownSources);
    const video = [...reply.sources.video, ...own.sources];
    // One that can't be shown has its problem in place of a title.
    this.sources.learn(video.filter(({ id }) => own.problems.every((each) => each.id !== id)));
    return { ...reply.sources, video };
  }

  /** What the engine makes of ids; one that can't be shown now stays in the list, so that it can be taken out of it. */
  private async describe(ids: string[]): Promise<Described> {
    if (ids.length === 0) return { sources: [], problems: [] };
    const reply = await this.ask({ type: 'describe_sources', ids });
    if (reply.type !== 'described') throw unexpected(reply);
    const { sources, problems } = reply.described;
    const broken = problems.map(({ id, problem }) => brokenSource(id, problem.message));
    const all = [...sources, ...broken];
    return { sources: ids.flatMap((id) => all.filter((source) => source.id === id)), problems };
  }

  async addSource(id: string): Promise<VideoSource> {
    const described = await this.describe([id]);
    const problem = described.problems[0]?.problem;
    if (problem !== undefined) throw new ProblemError(problem);
    const source = described.sources[0];
    if (source === undefined) throw unexpected({ type: 'described', described });
    const { ownSources } = this.settings.get();
    if (!ownSources.includes(id)) this.settings.update({ ownSources: [...ownSources, id] });
    this.sources.learn([source]);
    return source;
  }

  /** Takes a source of the user's own out of the list; of one that the desktop shares, forgets what it showed. */
  removeSource(id: string): Promise<void> {
    if (isShared(id)) {
      this.grants.forget(id);
      return this.change(() => this.send({ type: 'remember_source', sourceId: id }));
    }
    this.settings.update({ ownSources: this.settings.get().ownSources.filter((own) => own !== id) });
    return Promise.resolve();
  }

  async openPreview(): Promise<PreviewEndpoint> {
    const reply = await this.ask({ type: 'open_preview' });
    if (reply.type !== 'preview') throw unexpected(reply);
    return reply.preview;
  }

  /** Measures the machine; on the first run the proposal becomes the settings. */
  async probeEncoders(): Promise<Encoders> {
    const reply = await this.ask({ type: 'probe_encoders' });
    if (reply.type !== 'encoders') throw unexpected(reply);
    this.lastEncoders = reply.encoders;
    this.listeners.encoders(reply.encoders);
    if (this.settings.get().video === undefined && this.session.capture === undefined && this.session.scene === undefined) {
      this.settings.update({ video: reply.encoders.proposal });
      this.listeners.settings();
    }
    return reply.encoders;
  }

  /** Without settings of the user's own: lets the engine propose. A machine that can't be measured has the defaults. */
  async proposeOnFirstRun(): Promise<void> {
    if (this.settings.get().video !== undefined) return;
    this.proposing ??= this.probeEncoders().then(
      () => undefined,
      (error: unknown) => this.listeners.notice({ kind: 'warning', problem: problemOf(error) }),
    );
    await this.proposing;
  }

  excludeWindow(window: number | undefined): Promise<void> {
    return this.change(() => this.send({ type: 'exclude_window', window }));
  }

  /** What the engine's cards say from now on. */
  setCardTexts(texts: CardText[]): Promise<void> {
    return this.change(() => this.send({ type: 'set_card_texts', texts }));
  }

  startCapture(sourceId: string): Promise<void> {
    return this.change(async () => {
      const { video, cursor } = this.settings.get();
      await this.send({ type: 'start_capture', sourceId, settings: video ?? DEFAULT_VIDEO, cursor });
      this.settings.update({ lastSource: this.sources.lastingOf(sourceId) });
      this.listeners.settings();
    });
  }

  /** Starts with a scene, or goes over to it live. */
  showScene(scene: Scene, transition: Transition): Promise<void> {
    return this.change(async () => {
      const { video, cursor } = this.settings.get();
      await this.send({ type: 'set_scene', scene: JSON.stringify(scene), transition, settings: video ?? DEFAULT_VIDEO, cursor });
    });
  }

  stopCapture(): Promise<void> {
    return this.change(async () => {
      await this.send({ type: 'stop_capture' });
      await this.closeServer();
      this.liveSince = undefined;
    });
  }

  /** Acts at once where something is captured, and is remembered in any case. */
  changeVideo(change: VideoChange): Promise<void> {
    return this.change(async () => {
      const current = this.settings.get().video ?? DEFAULT_VIDEO;
      const next = { ...current, ...change };
      const { scene } = this.session;
      if (scene !== undefined && (next.width !== current.width || next.height !== current.height)) {
        // The scene's canvas decides the aspect: the engine finds the size anew.
        await this.send({ type: 'set_scene', ...scene, settings: next, transition: { kind: 'cut' } });
      } else if (this.session.capture !== undefined || scene !== undefined) {
        if (next.width !== current.width || next.height !== current.height) {
          await this.send({ type: 'change_resolution', width: next.width, height: next.height });
        }
        if (next.fps !== current.fps) await this.send({ type: 'set_frame_rate', fps: next.fps });
        if (next.kbps !== current.kbps) await this.send({ type: 'set_bitrate', kbps: next.kbps });
        if (next.gopSeconds !== current.gopSeconds) await this.send({ type: 'set_gop', seconds: next.gopSeconds });
      }
      this.settings.update({ video: next });
      this.listeners.settings();
    });
  }

  /** Acts at once, and is remembered. */
  changeTuning(change: Partial<Tuning>): Promise<void> {
    return this.change(async () => {
      const tuning = { ...(this.settings.get().tuning ?? DEFAULT_TUNING), ...change };
      await this.send({ type: 'set_tuning', tuning });
      this.settings.update({ tuning });
      this.listeners.settings();
    });
  }

  changeAudio(change: Partial<AudioPreferences>): Promise<void> {
    return this.change(() => this.applyAudio(change));
  }

  private async applyAudio(change: Partial<AudioPreferences>): Promise<void> {
    const current = this.settings.get().audio;
    const next: AudioPreferences = { ...current, ...change };
    if (next.microphone === '') next.microphone = undefined;
    if (next.microphone !== current.microphone || next.systemSound !== current.systemSound) {
      await this.send({ type: 'select_audio', microphone: next.microphone, systemSound: next.systemSound });
    }
    if (next.microphoneMuted !== current.microphoneMuted) {
      await this.send({ type: 'mute_audio', input: 'microphone', muted: next.microphoneMuted });
    }
    if (next.systemMuted !== current.systemMuted) {
      await this.send({ type: 'mute_audio', input: 'system_sound', muted: next.systemMuted });
    }
    if (next.microphoneVolume !== current.microphoneVolume) {
      await this.send({ type: 'set_volume', input: 'microphone', volume: next.microphoneVolume });
    }
    if (next.systemVolume !== current.systemVolume) {
      await this.send({ type: 'set_volume', input: 'system_sound', volume: next.systemVolume });
    }
    for (const command of inputCommands(current.inputs ?? [], next.inputs ?? [])) await this.send(command);
    const keys = hotKeyCommand(next.hotKeys ?? []);
    if (JSON.stringify(keys) !== JSON.stringify(hotKeyCommand(current.hotKeys ?? []))) await this.send(keys);
    if (next.headphones === '') next.headphones = undefined;
    if (next.headphones !== current.headphones) await this.send({ type: 'listen_audio', device: next.headphones });
    this.settings.update({ audio: next });
    this.listeners.settings();
  }

  /** Beside the queue: who lets go of the key to talk must not wait for what else is under way. */
  async pressKey(code: string, down: boolean): Promise<void> {
    await this.ask({ type: 'press_key', code, down });
  }

  /** A key that mutes was pressed, wherever the user is. */
  private hotKey(id: string): void {
    const input = mutedBy(id);
    if (input === undefined) return;
    const done = this.change(async () => {
      const { audio } = this.settings.get();
      const inputs = audio.inputs ?? [];
      const change: Partial<AudioPreferences> =
        input === 'microphone'
          ? { microphoneMuted: !audio.microphoneMuted }
          : input === 'system_sound'
            ? { systemMuted: !audio.systemMuted }
            : { inputs: inputs.map((each) => (each.id === input ? { ...each, muted: !each.muted } : each)) };
      await this.applyAudio(change);
    });
    done.catch((error: unknown) => this.listeners.notice({ kind: 'warning', problem: problemOf(error) }));
  }

  /** `key` is the one to use, whether it was typed or unsealed. */
  goLive(target: GoLiveTarget, key: string | undefined): Promise<void> {
    return this.change(async () => {
      if (this.session.capture === undefined && this.session.scene === undefined) throw new ProblemError(NOT_CAPTURING);
      if (target.kind === 'list') return;
      if (target.kind === 'whip') {
        const destination = key === undefined || key === '' ? { kind: target.kind, url: target.url } : { kind: target.kind, url: target.url, key };
        await this.send({ type: 'start_publish', destination });
        return;
      }
      if (this.session.localServer?.reach !== 'network') await this.openServer();
      await this.send({ type: 'start_publish', destination: { kind: 'local_server' } });
    });
  }

  /** Goes live to every place that is switched on; one that can't be reached does not hold back the others. */
  goLiveToList(wanted: { local: boolean; list: Asked[]; primary?: string }): Promise<void> {
    return this.change(async () => {
      if (this.session.capture === undefined && this.session.scene === undefined) throw new ProblemError(NOT_CAPTURING);
      if (!wanted.local && wanted.list.length === 0) throw new ProblemError(NOTHING_ON);
      if (wanted.local) await this.startLocal();
      for (const each of wanted.list) await this.begin(each);
      const { primary } = wanted;
      if (primary !== undefined && this.session.destinations[primary] !== undefined) {
        await this.send({ type: 'choose_primary', id: primary });
      }
    });
  }

  putDestination(asked: Asked, on: boolean): Promise<void> {
    return this.change(async () => {
      if (on) return this.begin(asked);
      if (this.session.destinations[asked.id] !== undefined) await this.send({ type: 'stop_destination', id: asked.id });
    });
  }

  removeDestination(id: string): Promise<void> {
    return this.change(async () => {
      if (this.session.destinations[id] !== undefined) await this.send({ type: 'remove_destination', id });
    });
  }

  turnLocal(on: boolean): Promise<void> {
    return this.change(async () => {
      if (on) return this.startLocal();
      if (this.session.destinations[LOCAL_ID] !== undefined) await this.send({ type: 'stop_destination', id: LOCAL_ID });
      await this.closeServer();
    });
  }

  retryDestination(id: string): Promise<void> {
    return this.change(() => this.send({ type: 'retry_destination', id }));
  }

  choosePrimary(id: string): Promise<void> {
    return this.change(async () => {
      if (this.session.destinations[id] !== undefined) await this.send({ type: 'choose_primary', id });
    });
  }

  /** Beside the queue: a test of a server that does not answer must not hold up the stream's end. */
  async testDestination(destination: Destination): Promise<void> {
    await this.ask({ type: 'test_destination', destination });
  }

  private async startLocal(): Promise<void> {
    if (this.session.localServer?.reach !== 'network') await this.openServer();
    await this.begin({ id: LOCAL_ID, name: '', destination: { kind: 'local_server' } });
  }

  private async begin({ id, name, destination }: Asked): Promise<void> {
    await this.send({ type: 'add_destination', id, name, destination });
    await this.send({ type: 'start_destination', id });
  }

  /** Recording and replay: one command, in turn with the others. */
  record(command: Command): Promise<void> {
    return this.change(() => this.send(command));
  }

  endLive(): Promise<void> {
    return this.change(async () => {
      await this.send({ type: 'stop_publish' });
      const running = Object.entries(this.session.destinations).filter(([, each]) => each.running);
      await Promise.all(running.map(([id]) => this.send({ type: 'stop_destination', id })));
      await this.closeServer();
      this.liveSince = undefined;
    });
  }

  /** The server listens on the network only while live; the link stays the same for the next time. */
  private async openServer(): Promise<void> {
    const { port, viewToken } = this.lastServer ?? { port: 0, viewToken: undefined };
    const again = await this.engine.dispatch({ type: 'start_local_server', reach: 'network', port, viewToken });
    if (again.type === 'ok') this.took({ type: 'start_local_server', reach: 'network', port, viewToken }, again.reply);
    else if (port === 0) throw new ProblemError(again.problem);
    // Someone else took the port meanwhile: a link that changed is better than none.
    else await this.send({ type: 'start_local_server', reach: 'network', port: 0, viewToken });
  }

  private async closeServer(): Promise<void> {
    if (this.session.localServer !== undefined) await this.send({ type: 'stop_local_server' });
  }

  private async restore(restarted: boolean): Promise<void> {
    const granted = this.grants.all().map((grant): Command => ({ type: 'remember_source', ...grant }));
    for (const command of [...granted, ...replay(this.session)]) {
      const outcome =
        command.type === 'start_local_server' ? await this.reopen(command) : await this.engine.dispatch(command);
      if (outcome.type === 'ok') {
        this.took(command, outcome.reply);
        continue;
      }
      this.listeners.notice({ kind: command.type === 'start_capture' || command.type === 'set_scene' ? 'error' : 'warning', problem: outcome.problem });
      if (outcome.problem.code === 'engine_interrupted') return;
    }
    if (restarted) this.listeners.notice({ kind: 'engine_restarted' });
  }

  private async reopen(command: Extract<Command, { type: 'start_local_server' }>): Promise<Outcome> {
    for (let attempt = 1; attempt <= SERVER_TRIES; attempt += 1) {
      const outcome = await this.engine.dispatch(command);
      if (outcome.type === 'ok' || outcome.problem.code === 'engine_interrupted') return outcome;
      await this.pause(SERVER_PAUSE_MS);
    }
    const outcome = await this.engine.dispatch({ ...command, port: 0 });
    if (outcome.type === 'ok') this.listeners.notice({ kind: 'view_link_changed' });
    return outcome;
  }

  private change(work: () => Promise<void>): Promise<void> {
    const run = this.queue.then(() => this.restored).then(work);
    this.queue = run.catch(() => undefined);
    return run;
  }

  private async send(command: Command): Promise<void> {
    this.took(command, await this.ask(command));
  }

  private async ask(command: Command): Promise<Reply> {
    const outcome = await this.engine.dispatch(command);
    if (outcome.type === 'failed') throw new ProblemError(outcome.problem);
    return outcome.reply;
  }

  private took(command: Command, reply: Reply): void {
    this.session = remember(this.session, command, reply);
    if (reply.type === 'local_server') {
      this.lastServer = { port: reply.localServer.port, viewToken: reply.localServer.viewToken };
    }
    // Where it goes is known here, not to the engine's state: the page must learn it even without a new event.
    const goesElsewhere = ['start_publish', 'stop_publish', 'start_destination', 'stop_destination'].includes(command.type);
    if (this.state !== undefined && goesElsewhere) {
      this.listeners.state(this.viewOf(this.state));
    }
  }

  private takeState(state: State): void {
    this.state = state;
    // The timer counts from the first live moment, through reconnections and restarts of the engine.
    const publish = allTogether(state.publish, state.destinations);
    if (publish.kind === 'live' && this.liveSince === undefined) this.liveSince = publish.sinceMs;
    for (const { id, state: its } of state.destinations) {
      // The engine gave this one up: a restart must not begin it again behind the user's back.
      if (its.kind === 'failed') this.session = switched(this.session, id, false);
    }
    if (state.publish.kind === 'failed') {
      // The engine gave up: a restart must not begin it again behind the user's back.
      this.session = { ...this.session, publish: undefined };
      this.liveSince = undefined;
    }
    this.listeners.state(this.viewOf(state));
  }

  private viewOf(state: State): StateView {
    return stateView(state, { publish: this.session.publish, listIsLive: this.listIsLive, liveSince: this.liveSince });
  }
}

function brokenSource(id: string, message: string): VideoSource {
  const kind = id.slice(0, Math.max(0, id.indexOf(':')));
  return { id, lastingId: id, kind, title: message, program: '', x: 0, y: 0, width: 0, height: 0, thumbnailUrl: '' };
}

function unexpected(reply: Reply): ProblemError {
  return new ProblemError({
    code: 'internal',
    message: `The media engine answered "${reply.type}", which was not asked.`,
    hint: 'The app and its engine are of different versions: build or install it again.',
  });
}
