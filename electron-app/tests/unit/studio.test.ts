import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { runDemo, wantsDemo } from '../../src/main/demo';
import { ProblemError } from '../../src/main/problem';
import { SettingsStore } from '../../src/main/settings_store';
import { Studio } from '../../src/main/studio';
import { idOfScene, sceneHotKey } from '../../src/shared/hot_keys';
import { zh } from '../../src/shared/i18n/zh';
import { addItem } from '../../src/shared/scene';
import { sourceTitle } from '../../src/shared/source_names';
import type { HostStatus, Notice, StateView } from '../../src/shared/contract';
import type { Command, Outcome, PublishState, State } from '../../src/shared/model';
import { DEFAULT_TUNING } from '../../src/shared/tuning';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidecast-studio-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const video = { width: 1280, height: 720, fps: 30, kbps: 3500, gopSeconds: 2 };

function stateWith(publish: PublishState): State {
  return { capture: { kind: 'capturing' }, publish, destinations: [], canvases: [], settings: video, tuning: DEFAULT_TUNING, sources: [], audio: [], refusedEncoders: [], constantRate: false, replay: false };
}

let count = 0;

/** A studio whose engine is a function of the test. */
function rig(answer: (command: Command) => Outcome | undefined = () => undefined) {
  const sent: Command[] = [];
  const notices: Notice[] = [];
  const states: StateView[] = [];
  const shown: string[] = [];
  const status: HostStatus = { kind: 'running' };
  const engine = {
    status,
    dispatch: async (command: Command): Promise<Outcome> => {
      sent.push(command);
      const given = answer(command);
      if (given !== undefined) return given;
      if (command.type === 'start_local_server') {
        const port = command.port === 0 ? 8123 : command.port;
        const viewToken = command.viewToken ?? 'tok';
        const localServer = { port, viewUrl: `http://10.0.0.2:${port}/?t=${viewToken}`, loopbackViewUrl: 'l', reach: command.reach, viewToken };
        studio.engineEvent({ type: 'state', state: { ...stateWith({ kind: 'idle' }), localServer } });
        return { type: 'ok', reply: { type: 'local_server', localServer } };
      }
      return { type: 'ok', reply: { type: 'done' } };
    },
  };
  count += 1;
  const kept = new Map<string, string>();
  const grants = {
    all: () => [...kept].map(([sourceId, token]) => ({ sourceId, token })),
    keep: (sourceId: string, token: string) => void kept.set(sourceId, token),
    forget: (sourceId: string) => void kept.delete(sourceId),
  };
  const settings = SettingsStore.open(path.join(folder, String(count)), (notice) => notices.push(notice));
  const studio: Studio = new Studio(
    engine,
    settings,
    {
      state: (state) => states.push(state),
      stats: () => undefined,
      encoders: () => undefined,
      notice: (notice) => notices.push(notice),
      pageKey: (id) => shown.push(id),
      settings: () => undefined,
    },
    async () => undefined,
    grants,
  );
  const types = (): string[] => sent.map(({ type }) => type);
  return { studio, settings, sent, types, notices, states, kept, shown };
}

const problem = (code: string): Outcome => ({ type: 'failed', problem: { code, message: code, hint: '' } });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the local server listens on the network only while live, and its link stays the same', async () => {
  const { studio, sent, types } = rig();
  await studio.startCapture('m');
  assert.ok(!types().includes('start_local_server'));
  await studio.air.goLive({ kind: 'local' }, undefined);
  assert.ok(studio.air.isLive);
  await studio.air.endLive();
  assert.deepEqual(types().slice(-2), ['stop_publish', 'stop_local_server']);
  await studio.air.goLive({ kind: 'local' }, undefined);
  const opened = sent.filter(({ type }) => type === 'start_local_server');
  assert.deepEqual(opened[1], { type: 'start_local_server', reach: 'network', port: 8123, viewToken: 'tok' });
});

test('going live without a picture is refused with a reason', async () => {
  const { studio, types } = rig();
  await assert.rejects(studio.air.goLive({ kind: 'local' }, undefined), (error) => error instanceof ProblemError && error.problem.code === 'not_capturing');
  assert.deepEqual(types(), []);
});

test('a port that someone took meanwhile is no reason not to go live', async () => {
  let taken = false;
  const { studio, sent } = rig((command) => (taken && command.type === 'start_local_server' && command.port !== 0 ? problem('port_in_use') : undefined));
  await studio.startCapture('m');
  await studio.air.goLive({ kind: 'local' }, undefined);
  await studio.air.endLive();
  taken = true;
  await studio.air.goLive({ kind: 'local' }, undefined);
  assert.ok(studio.air.isLive);
  assert.deepEqual(sent.filter(({ type }) => type === 'start_local_server').map((command) => command.type === 'start_local_server' && command.port), [0, 8123, 0]);
});

test('changed settings act while it runs, only those that changed, and are remembered when it does not', async () => {
  const { studio, types, settings } = rig();
  await studio.changeVideo({ kbps: 900 });
  assert.deepEqual(types(), []);
  assert.equal(settings.get().video?.kbps, 900);
  await studio.startCapture('m');
  await studio.changeVideo({ width: 854, height: 480, kbps: 900 });
  assert.deepEqual(types(), ['start_capture', 'change_resolution']);
  await studio.changeVideo({ fps: 60, gopSeconds: 1 });
  assert.deepEqual(types().slice(2), ['set_frame_rate', 'set_gop']);
});

test('a setting that the engine refuses is not remembered', async () => {
  const { studio, settings } = rig((command) => (command.type === 'set_bitrate' ? problem('bad_setting') : undefined));
  await studio.startCapture('m');
  await assert.rejects(studio.changeVideo({ kbps: 60_000 }), ProblemError);
  assert.notEqual(settings.get().video?.kbps, 60_000);
});

test('a restarted engine gets the whole session back, and the user is told', async () => {
  const { studio, types, notices, sent } = rig();
  await studio.excludeWindow(5);
  await studio.audio.change({ microphone: 'mic', microphoneMuted: true });
  await studio.startCapture('m');
  await studio.air.goLive({ kind: 'local' }, undefined);
  sent.length = 0;
  studio.engineReady(true);
  await turn();
  assert.deepEqual(types().filter((type) => type !== 'mute_audio' && type !== 'set_volume'), [
    'exclude_window',
    'select_audio',
    'start_capture',
    'start_local_server',
    'start_publish',
  ]);
  assert.deepEqual(notices, [{ kind: 'engine_restarted' }]);
});

test('one thing that cannot be brought back does not keep the rest away', async () => {
  let restarted = false;
  const { studio, types, notices, sent } = rig((command) => (restarted && command.type === 'select_audio' ? problem('device_lost') : undefined));
  await studio.startCapture('m');
  sent.length = 0;
  restarted = true;
  studio.engineReady(true);
  await turn();
  assert.ok(types().includes('start_capture'));
  assert.ok(notices.some((notice) => notice.kind === 'warning' && notice.problem.code === 'device_lost'));
});

test('what the user does during a restart comes after the replay', async () => {
  const { studio, types, sent } = rig();
  await studio.startCapture('m');
  sent.length = 0;
  studio.engineReady(true);
  await studio.changeVideo({ kbps: 1234 });
  assert.equal(types().indexOf('set_bitrate'), types().length - 1);
  assert.ok(types().indexOf('start_capture') >= 0);
});

test('the timer counts from the first live moment, through a restart', async () => {
  const { studio, states } = rig();
  await studio.startCapture('m');
  await studio.air.goLive({ kind: 'local' }, undefined);
  studio.engineEvent({ type: 'state', state: stateWith({ kind: 'live', sinceMs: 1000 }) });
  studio.engineEvent({ type: 'state', state: stateWith({ kind: 'live', sinceMs: 9000 }) });
  assert.deepEqual(states[states.length - 1]?.publish, { kind: 'live', sinceMs: 1000 });
  await studio.air.endLive();
  studio.engineEvent({ type: 'state', state: stateWith({ kind: 'live', sinceMs: 20_000 }) });
  assert.deepEqual(states[states.length - 1]?.publish, { kind: 'live', sinceMs: 20_000 });
});

test('a publication that failed for good is not begun again by a restart', async () => {
  const { studio, types, sent } = rig();
  await studio.startCapture('m');
  await studio.air.goLive({ kind: 'whip', url: 'https://a.example/whip', useSavedKey: false, keepKey: false }, 'k');
  studio.engineEvent({ type: 'state', state: stateWith({ kind: 'failed', code: 'unauthorized' }) });
  assert.ok(!studio.air.isLive);
  sent.length = 0;
  studio.engineReady(true);
  await turn();
  assert.ok(!types().includes('start_publish'));
});

test('the view token stays in main: the page sees links only', async () => {
  const { studio, states } = rig();
  await studio.startCapture('m');
  await studio.air.goLive({ kind: 'local' }, undefined);
  const view = states[states.length - 1];
  assert.ok(view?.viewLink?.url.includes('tok'));
  assert.ok(!('localServer' in (view ?? {})));
});

test('the demonstration captures the first monitor and gives the link', async () => {
  const source = { title: 't', program: '', x: 0, y: 0, width: 2, height: 2, thumbnailUrl: '' };
  const list: Outcome = {
    type: 'ok',
    reply: {
      type: 'sources',
      sources: { video: [{ ...source, id: 'w', lastingId: 'find:w', kind: 'window' }, { ...source, id: 'm', lastingId: 'm', kind: 'monitor' }], microphones: [], systemSound: false, speakers: [], applications: [], problems: [] },
    },
  };
  const { studio, sent } = rig((command) => (command.type === 'list_sources' ? list : undefined));
  assert.equal(await runDemo(studio), 'http://10.0.0.2:8123/?t=tok');
  assert.ok(sent.some((command) => command.type === 'start_capture' && command.sourceId === 'm'));
  assert.ok(wantsDemo(['app', '--demo'], undefined) && wantsDemo([], 'demo') && !wantsDemo(['app'], ''));
});

test('a window is captured by itself: nothing that covers it is in the picture', async () => {
  const source = { title: 't', program: '', x: 0, y: 0, width: 2, height: 2, thumbnailUrl: '' };
  const list: Outcome = {
    type: 'ok',
    reply: {
      type: 'sources',
      sources: { video: [{ ...source, id: 'w', lastingId: 'find:w', kind: 'window' }, { ...source, id: 'm', lastingId: 'm', kind: 'monitor' }], microphones: [], systemSound: false, speakers: [], applications: [], problems: [] },
    },
  };
  const { studio } = rig((command) => (command.type === 'list_sources' ? list : undefined));
  await studio.sources.list();
  const area = { x: 0, y: 0, width: 100, height: 100 };
  const state = { ...stateWith({ kind: 'idle' }), area };
  studio.engineEvent({ type: 'state', state: { ...state, sources: [{ id: 'm', capture: { kind: 'capturing' }, onMain: true }] } });
  assert.deepEqual(studio.sources.capturedDesktop, area);
  studio.engineEvent({ type: 'state', state: { ...state, sources: [{ id: 'w', capture: { kind: 'capturing' }, onMain: true }] } });
  assert.equal(studio.sources.capturedDesktop, undefined);
  // In a scene: a camera, and windows that no list had, are no part of the desktop either; a monitor among them is.
  const scene = (...ids: string[]): void => {
    const sources = ids.map((id) => ({ id, capture: { kind: 'capturing' as const }, onMain: true }));
    studio.engineEvent({ type: 'state', state: { ...state, sources } });
  };
  scene('w', 'camera:/dev/video0', 'x11:window:0x1', 'win:find:a?title=b', 'x11:game', 'text:Hello?size=72');
  assert.equal(studio.sources.capturedDesktop, undefined);
  for (const desktop of ['m', 'x11:monitor:HDMI-1', 'region:x11:monitor:HDMI-1:0,0,9,9']) {
    scene('w', desktop);
    assert.deepEqual(studio.sources.capturedDesktop, area, desktop);
  }
  // Another canvas may show it: the preview is not in that one.
  studio.engineEvent({ type: 'state', state: { ...state, sources: [{ id: 'm', capture: { kind: 'capturing' }, onMain: false }] } });
  assert.equal(studio.sources.capturedDesktop, undefined);
  studio.engineEvent({ type: 'state', state: { ...state, capture: { kind: 'idle' } } });
  assert.equal(studio.sources.capturedDesktop, undefined);
});

test('a source that the user describes is tried, kept, listed with the others, and taken out again', async () => {
  const listed: Outcome = { type: 'ok', reply: { type: 'sources', sources: { video: [], microphones: [], systemSound: false, speakers: [], applications: [], problems: [] } } };
  const rest = { title: 't', program: '', x: 0, y: 0, width: 2, height: 2, thumbnailUrl: 'u' };
  const { studio, settings } = rig((command) => {
    if (command.type === 'list_sources') return listed;
    if (command.type !== 'describe_sources') return undefined;
    const good = command.ids.filter((id) => id.startsWith('text:'));
    const bad = command.ids.filter((id) => !good.includes(id));
    const described = {
      sources: good.map((id) => ({ ...rest, id, lastingId: id, kind: 'text' })),
      problems: bad.map((id) => ({ id, problem: { code: 'picture_missing', message: 'gone', hint: '' } })),
    };
    return { type: 'ok', reply: { type: 'described', described } };
  });
  assert.equal((await studio.sources.add('text:a')).kind, 'text');
  await studio.sources.add('text:a');
  await assert.rejects(studio.sources.add('image:/gone.png'), (error) => error instanceof ProblemError && error.problem.code === 'picture_missing');
  assert.deepEqual(settings.get().ownSources, ['text:a']);
  // A file that went missing later stays in the list, so that it can be taken out.
  settings.update({ ownSources: ['image:/gone.png', 'text:a'] });
  const { video } = await studio.sources.list();
  assert.deepEqual(video.map(({ id, kind, title }) => [id, kind, title]), [['image:/gone.png', 'image', 'gone'], ['text:a', 'text', 't']]);
  studio.sources.remove('image:/gone.png');
  assert.deepEqual(settings.get().ownSources, ['text:a']);
});

test('what was captured last is remembered by what lasts', async () => {
  const source = { title: 't', program: '', x: 0, y: 0, width: 2, height: 2, thumbnailUrl: '', id: 'w', lastingId: 'find:w', kind: 'window' };
  const list: Outcome = { type: 'ok', reply: { type: 'sources', sources: { video: [source], microphones: [], systemSound: false, speakers: [], applications: [], problems: [] } } };
  const { studio, settings } = rig((command) => (command.type === 'list_sources' ? list : undefined));
  await studio.sources.list();
  await studio.startCapture('w');
  assert.equal(settings.get().lastSource, 'find:w');
});

test('a source of a scene that is lost is told by the name that the user knows', async () => {
  const window = { title: 'Notes', program: '', x: 0, y: 0, width: 2, height: 2, thumbnailUrl: '', id: 'x11:window:0x7', lastingId: 'f', kind: 'window' };
  const listed = { video: [window], microphones: [], systemSound: false, speakers: [], applications: [], problems: [] };
  const { studio, notices } = rig((command) => (command.type === 'list_sources' ? { type: 'ok', reply: { type: 'sources', sources: listed } } : undefined));
  await studio.sources.list();
  listed.video = [];
  await studio.sources.list();
  const problem = { code: 'source_closed', message: 'm', hint: 'h' };
  const empty = { name: 's', canvas: { width: 2, height: 2 }, items: [] };
  const show = (name: string): Promise<void> => studio.showScene(addItem(empty, window.id, name), { kind: 'cut' });
  await show('');
  studio.engineEvent({ type: 'source_warning', sourceId: window.id, problem });
  await show('My notes');
  studio.engineEvent({ type: 'source_warning', sourceId: window.id, problem });
  const told = notices.map((notice) => notice.kind === 'source_warning' && sourceTitle(zh, notice.source));
  assert.deepEqual(told, ['Notes', 'My notes'], 'also when it is in no list any more');
});

test('a key that mutes turns the mute over, and that is remembered', async () => {
  const { studio, sent, settings } = rig();
  studio.engineEvent({ type: 'hot_key', id: 'mute:microphone' });
  studio.engineEvent({ type: 'hot_key', id: 'mute:microphone' });
  studio.engineEvent({ type: 'hot_key', id: 'mute:microphone' });
  studio.engineEvent({ type: 'hot_key', id: 'something else' });
  await turn();
  await studio.audio.change({});
  assert.deepEqual(sent.map((command) => command.type === 'mute_audio' && command.muted), [true, false, true]);
  assert.equal(settings.get().audio.microphoneMuted, true);
});

test('a scene’s key that the engine watches shows its scene, beside the sound’s keys and through a restart', async () => {
  const { studio, sent, shown } = rig();
  const chord = { code: 'F8', ctrl: false, alt: false, shift: false, meta: false };
  const intro = sceneHotKey({ scene: 'Intro', keys: 'CommandOrControl+Alt+7' }, 'Scene – Intro');
  await studio.audio.watchKeys([intro]);
  await studio.audio.watchKeys([intro]);
  await studio.audio.change({ hotKeys: [{ action: 'mute', input: 'microphone', chord }] });
  const watched = sent.map((command) => command.type === 'set_hot_keys' && command.keys.map(({ id }) => id));
  assert.deepEqual(watched, [['scene:Intro'], ['mute:microphone', 'scene:Intro']]);
  studio.engineEvent({ type: 'hot_key', id: 'scene:Intro' });
  assert.deepEqual(shown, [idOfScene('Intro')]);
  sent.length = 0;
  studio.engineReady(true);
  await studio.air.endLive();
  assert.ok(sent.some((command) => command.type === 'set_hot_keys' && command.keys.length === 2));
});

test('what the desktop granted is kept, given to the next engine before anything else, and forgotten on demand', async () => {
  const { studio, sent, types, kept, notices } = rig();
  const sourceId = 'wayland:portal';
  await studio.startCapture(sourceId);
  studio.engineEvent({ type: 'source_granted', sourceId, token: 'first' });
  studio.engineEvent({ type: 'source_granted', sourceId, token: 'second' });
  assert.deepEqual([...kept], [[sourceId, 'second']], 'each token is good once');
  sent.length = 0;
  studio.engineReady(true);
  await turn();
  await turn();
  assert.deepEqual(sent[0], { type: 'remember_source', sourceId, token: 'second' });
  assert.ok(types().includes('start_capture'), 'the capture is brought back after it');
  await studio.sources.remove(sourceId);
  assert.equal(kept.size, 0);
  assert.deepEqual(sent[sent.length - 1], { type: 'remember_source', sourceId });
  assert.ok(!JSON.stringify(notices).includes('second'));
});
