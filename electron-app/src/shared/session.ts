/**
 * What the user has asked the engine for, as data, and the commands that bring a fresh engine to the same place.
 *
 * Pure: the supervisor in main owns the time, the processes and the retries.
 */
import type { CardText } from './card_texts';
import type { AudioInput, AudioInputChange, AudioSource, CanvasSettings, Command, Destination, HotKey, Reach, Reply, Tuning, VideoSettings } from './model';

export interface Session {
  microphone?: string;
  systemSound: boolean;
  muted: { [input in AudioInput]?: boolean };
  volume: { [input in AudioInput]?: number };
  /** Further inputs by their id, and what was set on any of them; absent: none. */
  inputs?: { [id: string]: { source?: AudioSource; change: AudioInputChange } };
  headphones?: string;
  /** Absent: none. */
  hotKeys?: HotKey[];
  excludedWindow?: number;
  /** What cards say in the user's language; absent or empty: English. */
  cardTexts?: CardText[];
  capture?: { sourceId: string; settings: VideoSettings; cursor: boolean };
  /** Instead of `capture`: a scene as JSON. */
  scene?: { scene: string; settings: VideoSettings; cursor: boolean };
  localServer?: { reach: Reach; port: number; viewToken?: string };
  publish?: Destination;
  /** Every other destination, by its id, in the order in which they were added. */
  destinations: { readonly [id: string]: { name: string; destination: Destination; canvas?: string; running: boolean } };
  /** Further canvases by their id, in the order in which they were added; absent: none. */
  canvases?: { readonly [id: string]: CanvasSettings };
  /** The chosen destinations, one for each canvas at the most; absent: none. */
  primaries?: readonly string[];
  /** Length of the replay buffer, where it is on. A recording is not in here: a new engine must not begin a file unasked. */
  replaySeconds?: number;
  /** What the engine may change by itself; absent: its own default. */
  tuning?: Tuning;
}

export const emptySession: Session = { systemSound: false, muted: {}, volume: {}, destinations: {} };

/** The session after a command that the engine took. */
export function remember(session: Session, command: Command, reply: Reply): Session {
  switch (command.type) {
    case 'select_audio':
      return { ...session, microphone: command.microphone, systemSound: command.systemSound };
    case 'mute_audio':
      return { ...session, muted: { ...session.muted, [command.input]: command.muted } };
    case 'set_volume':
      return { ...session, volume: { ...session.volume, [command.input]: command.volume } };
    case 'add_audio_input': {
      const { id, source } = command;
      return { ...session, inputs: { ...session.inputs, [id]: { change: session.inputs?.[id]?.change ?? {}, source } } };
    }
    case 'remove_audio_input': {
      const inputs = { ...session.inputs };
      delete inputs[command.id];
      return { ...session, inputs };
    }
    case 'set_audio_input': {
      const { id, change } = command;
      const old = session.inputs?.[id];
      return { ...session, inputs: { ...session.inputs, [id]: { ...old, change: { ...old?.change, ...change } } } };
    }
    case 'listen_audio':
      return { ...session, headphones: command.device };
    case 'set_hot_keys':
      return { ...session, hotKeys: command.keys };
    case 'exclude_window':
      return { ...session, excludedWindow: command.window };
    case 'set_card_texts':
      return { ...session, cardTexts: command.texts };
    case 'start_capture': {
      const { sourceId, settings, cursor } = command;
      return { ...session, capture: { sourceId, settings, cursor }, scene: undefined };
    }
    case 'set_scene': {
      const { scene, settings, cursor } = command;
      return { ...session, scene: { scene, settings, cursor }, capture: undefined };
    }
    case 'stop_capture':
      return { ...session, capture: undefined, scene: undefined, publish: undefined, destinations: allStopped(session.destinations) };
    case 'change_resolution':
      return withSettings(session, { width: command.width, height: command.height });
    case 'set_frame_rate':
      return withSettings(session, { fps: command.fps });
    case 'set_bitrate':
      return withSettings(session, { kbps: command.kbps });
    case 'set_gop':
      return withSettings(session, { gopSeconds: command.seconds });
    case 'set_tuning':
      return { ...session, tuning: command.tuning };
    case 'start_publish':
      return { ...session, publish: command.destination };
    case 'stop_publish':
      return { ...session, publish: undefined };
    case 'add_destination': {
      const { id, name, destination, canvas } = command;
      const running = session.destinations[id]?.running ?? false;
      return { ...session, destinations: { ...session.destinations, [id]: { name, destination, running, ...(canvas === undefined ? {} : { canvas }) } } };
    }
    case 'set_canvas':
      return { ...session, canvases: { ...session.canvases, [command.canvas.id]: command.canvas } };
    case 'remove_canvas': {
      const { [command.id]: _gone, ...canvases } = session.canvases ?? {};
      // The engine has stopped what it sent.
      const stopped = Object.entries(session.destinations).map(([id, each]) => [id, each.canvas === command.id ? { ...each, running: false } : each]);
      return { ...session, canvases, destinations: Object.fromEntries(stopped) };
    }
    case 'remove_destination': {
      const { [command.id]: _gone, ...destinations } = session.destinations;
      return { ...session, destinations, primaries: session.primaries?.filter((each) => each !== command.id) };
    }
    case 'start_destination':
    case 'retry_destination':
      return switched(session, command.id, true);
    case 'stop_destination':
      return switched(session, command.id, false);
    case 'choose_primary': {
      const canvasOf = (id: string): string | undefined => session.destinations[id]?.canvas;
      const others = (session.primaries ?? []).filter((each) => each !== command.id && canvasOf(each) !== canvasOf(command.id));
      return { ...session, primaries: [...others, command.id] };
    }
    case 'start_local_server': {
      // The port and token that the engine chose, so that a link given out survives a restart of the engine.
      const made = reply.type === 'local_server' ? reply.localServer : undefined;
      return {
        ...session,
        localServer: {
          reach: command.reach,
          port: made?.port ?? command.port,
          viewToken: made?.viewToken ?? command.viewToken,
        },
      };
    }
    case 'start_replay':
      return { ...session, replaySeconds: command.seconds };
    case 'stop_replay':
      return { ...session, replaySeconds: undefined };
    case 'stop_local_server':
      return { ...session, localServer: undefined };
    // Each is followed by another as it is used: main keeps the newest.
    case 'remember_source':
    case 'list_sources':
    case 'describe_sources':
    case 'probe_encoders':
    case 'estimate_canvas':
    case 'estimate_simulcast':
    case 'open_preview':
    case 'test_destination':
    case 'reset_loudness':
    case 'press_key':
    // A file that an engine left behind is whole; another one would be a surprise.
    case 'start_recording':
    case 'stop_recording':
    case 'pause_recording':
    case 'add_chapter':
    case 'save_replay':
    case 'stats':
      return session;
  }
}

export function switched(session: Session, id: string, running: boolean): Session {
  const known = session.destinations[id];
  if (known === undefined) return session;
  return { ...session, destinations: { ...session.destinations, [id]: { ...known, running } } };
}

function allStopped(destinations: Session['destinations']): Session['destinations'] {
  return Object.fromEntries(Object.entries(destinations).map(([id, each]) => [id, { ...each, running: false }]));
}

function withSettings(session: Session, change: Partial<VideoSettings>): Session {
  if (session.scene !== undefined) {
    return { ...session, scene: { ...session.scene, settings: { ...session.scene.settings, ...change } } };
  }
  if (session.capture === undefined) return session;
  return { ...session, capture: { ...session.capture, settings: { ...session.capture.settings, ...change } } };
}

/** The commands, in order, that bring a fresh engine to where the session stands. */
export function replay(session: Session): Command[] {
  const commands: Command[] = [];
  if (session.excludedWindow !== undefined) commands.push({ type: 'exclude_window', window: session.excludedWindow });
  if (session.tuning !== undefined) commands.push({ type: 'set_tuning', tuning: session.tuning });
  if (session.cardTexts !== undefined && session.cardTexts.length > 0) {
    commands.push({ type: 'set_card_texts', texts: session.cardTexts });
  }
  commands.push({ type: 'select_audio', microphone: session.microphone, systemSound: session.systemSound });
  for (const input of ['microphone', 'system_sound', 'all'] as const) {
    const muted = session.muted[input];
    if (muted !== undefined) commands.push({ type: 'mute_audio', input, muted });
    const volume = session.volume[input];
    if (volume !== undefined) commands.push({ type: 'set_volume', input, volume });
  }
  for (const [id, { source, change }] of Object.entries(session.inputs ?? {})) {
    if (source !== undefined) commands.push({ type: 'add_audio_input', id, source });
    if (Object.keys(change).length > 0) commands.push({ type: 'set_audio_input', id, change });
  }
  if (session.headphones !== undefined) commands.push({ type: 'listen_audio', device: session.headphones });
  // After the inputs that they silence.
  if (session.hotKeys !== undefined && session.hotKeys.length > 0) commands.push({ type: 'set_hot_keys', keys: session.hotKeys });
  if (session.capture !== undefined) commands.push({ type: 'start_capture', ...session.capture });
  if (session.scene !== undefined) commands.push({ type: 'set_scene', ...session.scene, transition: { kind: 'cut' } });
  // The user has decided on them once: a busy moment is no reason to lose one.
  for (const canvas of Object.values(session.canvases ?? {})) commands.push({ type: 'set_canvas', canvas, force: true });
  if (session.replaySeconds !== undefined) commands.push({ type: 'start_replay', seconds: session.replaySeconds });
  if (session.localServer !== undefined) commands.push({ type: 'start_local_server', ...session.localServer });
  if (session.publish !== undefined) commands.push({ type: 'start_publish', destination: session.publish });
  for (const [id, { running, ...rest }] of Object.entries(session.destinations)) {
    commands.push({ type: 'add_destination', id, ...rest });
    if (running) commands.push({ type: 'start_destination', id });
  }
  for (const id of session.primaries ?? []) commands.push({ type: 'choose_primary', id });
  return commands;
}
