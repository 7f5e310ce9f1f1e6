/**
 * What the user can do, without a window: the page and the headless demonstration both call it.
 *
 * The picture, the encode and the engine's events are its own; the sources, the sound and going live have a room each.
 * Windows, IPC and files are other rooms'.
 */
import { inputCommands } from '../shared/audio_inputs';
import type { CardText } from '../shared/card_texts';
import type { Notice, StateView, VideoChange } from '../shared/contract';
import type { Command, Encoders, EngineEvent, PreviewEndpoint, Stats, Tuning } from '../shared/model';
import { hotKeyCommand, mutedBy } from '../shared/hot_keys';
import { emptySession, remember, type Session } from '../shared/session';
import type { Scene, Transition } from '../shared/scene';
import type { Settings } from '../shared/settings';
import { DEFAULT_TUNING } from '../shared/tuning';
import { DEFAULT_VIDEO } from '../shared/video_settings';
import { Air } from './air';
import { AudioDesk } from './audio_desk';
import { CanvasDesk, canvasesOf } from './canvas_desk';
import { EngineLine, unexpected, type Engine } from './engine_line';
import type { Grants } from './grants';
import { problemOf } from './problem';
import type { SettingsStore } from './settings_store';
import { SourceDesk } from './source_desk';

export interface StudioListeners {
  state(state: StateView): void;
  stats(stats: Stats): void;
  encoders(encoders: Encoders): void;
  notice(notice: Notice): void;
  /** A scene's key was pressed, where the engine watches it. */
  /** A key was pressed that is the page's to follow. */
  pageKey(id: string): void;
  /** The settings were changed from in here (a proposal of the engine was taken). */
  settings(): void;
}

export class Studio {
  private readonly line: EngineLine;
  readonly sources: SourceDesk;
  readonly audio: AudioDesk;
  readonly canvases: CanvasDesk;
  readonly air: Air;
  private lastStats: Stats | undefined;
  private lastEncoders: Encoders | undefined;
  /** What is complete on disk since the start, for the file manager. */
  readonly savedFiles = new Set<string>();
  private proposing: Promise<void> | undefined;

  constructor(
    engine: Engine,
    private readonly settings: SettingsStore,
    private readonly listeners: StudioListeners,
    pause: (ms: number) => Promise<void>,
    grants: Pick<Grants, 'all' | 'keep' | 'forget'>,
  ) {
    this.line = new EngineLine(engine, firstSession(settings.get()), listeners, pause, grants);
    this.sources = new SourceDesk(this.line, settings, grants);
    this.audio = new AudioDesk(this.line, settings, listeners);
    this.canvases = new CanvasDesk(this.line, settings, (id) => this.sources.lastingOf(id));
    this.air = new Air(this.line);
  }

  get view(): StateView | undefined {
    return this.line.view;
  }

  get stats(): Stats | undefined {
    return this.lastStats;
  }

  get encoders(): Encoders | undefined {
    return this.lastEncoders;
  }

  get isRecording(): boolean {
    return this.recordingFile !== undefined;
  }

  private get recordingFile(): string | undefined {
    return this.line.state?.recording?.file;
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
    this.line.engineReady(restarted);
  }

  engineEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'state':
        this.line.takeState(event.state);
        return;
      case 'stats':
        this.lastStats = event.stats;
        this.listeners.stats(event.stats);
        return;
      case 'saved':
        this.savedFiles.add(event.file);
        this.listeners.notice({ kind: 'saved', file: event.file });
        return;
      case 'hot_key': {
        if (mutedBy(event.id) === undefined) this.listeners.pageKey(event.id);
        else this.audio.hotKey(event.id);
        return;
      }
      case 'source_granted':
        this.sources.granted(event.sourceId, event.token);
        return;
      case 'source_warning':
        this.listeners.notice({ kind: 'source_warning', source: this.sources.named(event.sourceId), problem: event.problem });
        return;
      case 'warning':
      case 'error':
        this.listeners.notice({ kind: event.type, problem: event.problem });
        return;
    }
  }

  async openPreview(): Promise<PreviewEndpoint> {
    const reply = await this.line.ask({ type: 'open_preview' });
    if (reply.type !== 'preview') throw unexpected(reply);
    return reply.preview;
  }

  /** Measures the machine; on the first run the proposal becomes the settings. */
  async probeEncoders(): Promise<Encoders> {
    const reply = await this.line.ask({ type: 'probe_encoders' });
    if (reply.type !== 'encoders') throw unexpected(reply);
    this.lastEncoders = reply.encoders;
    this.listeners.encoders(reply.encoders);
    if (this.settings.get().video === undefined && !this.line.isCapturing) {
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
    return this.line.change(() => this.line.send({ type: 'exclude_window', window }));
  }

  /** What the engine's cards say from now on. */
  setCardTexts(texts: CardText[]): Promise<void> {
    return this.line.change(() => this.line.send({ type: 'set_card_texts', texts }));
  }

  startCapture(sourceId: string): Promise<void> {
    return this.line.change(async () => {
      const { video, cursor } = this.settings.get();
      await this.line.send({ type: 'start_capture', sourceId, settings: video ?? DEFAULT_VIDEO, cursor });
      this.settings.update({ lastSource: this.sources.lastingOf(sourceId) });
      this.listeners.settings();
    }).then(() => this.followed());
  }

  /** Starts with a scene, or goes over to it live. */
  showScene(scene: Scene, transition: Transition): Promise<void> {
    return this.line.change(async () => {
      const { video, cursor } = this.settings.get();
      await this.line.send({ type: 'set_scene', scene: JSON.stringify(scene), transition, settings: video ?? DEFAULT_VIDEO, cursor });
    }).then(() => this.followed());
  }

  /** The other canvases show what is captured now; one that can't is no failure of what was asked. */
  followed(): Promise<void> {
    return this.canvases.follow().catch((error: unknown) => this.listeners.notice({ kind: 'warning', problem: problemOf(error) }));
  }

  stopCapture(): Promise<void> {
    return this.line.change(async () => {
      await this.line.send({ type: 'stop_capture' });
      await this.air.closeServer();
      this.line.ended();
    });
  }

  /** Acts at once where something is captured, and is remembered in any case. */
  changeVideo(change: VideoChange): Promise<void> {
    return this.line.change(async () => {
      const current = this.settings.get().video ?? DEFAULT_VIDEO;
      const next = { ...current, ...change };
      const { scene } = this.line.session;
      if (scene !== undefined && (next.width !== current.width || next.height !== current.height)) {
        // The scene's canvas decides the aspect: the engine finds the size anew.
        await this.line.send({ type: 'set_scene', ...scene, settings: next, transition: { kind: 'cut' } });
      } else if (this.line.isCapturing) {
        if (next.width !== current.width || next.height !== current.height) {
          await this.line.send({ type: 'change_resolution', width: next.width, height: next.height });
        }
        if (next.fps !== current.fps) await this.line.send({ type: 'set_frame_rate', fps: next.fps });
        if (next.kbps !== current.kbps) await this.line.send({ type: 'set_bitrate', kbps: next.kbps });
        if (next.gopSeconds !== current.gopSeconds) await this.line.send({ type: 'set_gop', seconds: next.gopSeconds });
      }
      this.settings.update({ video: next });
      this.listeners.settings();
    });
  }

  /** Acts at once, and is remembered. */
  changeTuning(change: Partial<Tuning>): Promise<void> {
    return this.line.change(async () => {
      const tuning = { ...(this.settings.get().tuning ?? DEFAULT_TUNING), ...change };
      await this.line.send({ type: 'set_tuning', tuning });
      this.settings.update({ tuning });
      this.listeners.settings();
    });
  }

  /** Recording and replay: one command, in turn with the others. */
  record(command: Command): Promise<void> {
    return this.line.change(() => this.line.send(command));
  }
}

/** What a fresh engine is to be told of what the user set in earlier runs. */
function firstSession(settings: Settings): Session {
  const { audio, recording, tuning } = settings;
  let session: Session = {
    ...emptySession,
    microphone: audio.microphone,
    systemSound: audio.systemSound,
    replaySeconds: recording.replay ? recording.replaySeconds : undefined,
    muted: { microphone: audio.microphoneMuted, system_sound: audio.systemMuted },
    volume: { microphone: audio.microphoneVolume, system_sound: audio.systemVolume },
    headphones: audio.headphones,
    hotKeys: hotKeyCommand(audio.hotKeys ?? []).keys,
    tuning,
    canvases: Object.fromEntries(canvasesOf(settings).map((canvas) => [canvas.id, canvas])),
  };
  for (const command of inputCommands([], audio.inputs ?? [])) session = remember(session, command, { type: 'done' });
  return session;
}
