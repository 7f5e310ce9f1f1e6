import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillOf, MeterBus } from '../../src/renderer/meters';
import { RtcManager, withStereoOpus, type PeerLike, type PeerListeners } from '../../src/renderer/rtc_manager/rtc_manager';
import type { Aim, Stats } from '../../src/shared/model';
import { mayShow } from '../../src/renderer/pace';
import { readServerMessage } from '../../src/renderer/signaling_client/messages';
import { pauseBefore, SignalingClient, type SocketListeners } from '../../src/renderer/signaling_client/signaling_client';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function signalingRig() {
  const sockets: Array<{ url: string; on: SocketListeners; sent: string[]; closed: boolean }> = [];
  const timers: Array<{ ms: number; then: () => void }> = [];
  const heard: unknown[][] = [];
  let tokens = 0;
  let refuse = false;
  const client = new SignalingClient({
    endpoint: async () => {
      if (refuse) throw new Error('no engine');
      tokens += 1;
      return { url: 'ws://127.0.0.1:1/preview', token: `t&${tokens}` };
    },
    open: (url, on) => {
      const socket = { url, on, sent: [] as string[], closed: false };
      sockets.push(socket);
      return {
        send: (data) => socket.sent.push(data),
        close: () => {
          socket.closed = true;
        },
      };
    },
    after: (ms, then) => {
      const timer = { ms, then };
      timers.push(timer);
      return () => timers.splice(timers.indexOf(timer), 1);
    },
    onOffer: (sdp) => heard.push(['offer', sdp]),
    onCandidate: (candidate) => heard.push(['candidate', candidate]),
    onLevels: (levels) => heard.push(['levels', levels]),
    onProblem: (code) => heard.push(['problem', code]),
    onConnected: (connected) => heard.push(['connected', connected]),
  });
  const say = (message: object | string): void =>
    sockets[sockets.length - 1]?.on.onMessage(typeof message === 'string' ? message : JSON.stringify(message));
  return { client, sockets, timers, heard, say, refuse: (value: boolean) => (refuse = value) };
}

test('signalling passes offers, candidates and levels on, and answers back', async () => {
  const { client, sockets, heard, say } = signalingRig();
  client.start();
  await turn();
  assert.equal(sockets[0]?.url, 'ws://127.0.0.1:1/preview?token=t%261');
  say({ type: 'hello', version: 1 });
  say({ type: 'offer', sdp: 'v=0' });
  say({ type: 'candidate', candidate: { candidate: 'candidate:1', sdpMLineIndex: 0 } });
  say({ type: 'levels', inputs: [{ input: 'master', peak_db: -3, rms_db: -9 }] });
  say({ type: 'something_newer' });
  client.send({ type: 'answer', sdp: 'v=1' });
  assert.deepEqual(heard, [
    ['connected', true],
    ['offer', 'v=0'],
    ['candidate', { candidate: 'candidate:1', sdpMLineIndex: 0 }],
    ['levels', [{ input: 'master', peakDb: -3, rmsDb: -9 }]],
  ]);
  assert.deepEqual(sockets[0]?.sent, ['{"type":"answer","sdp":"v=1"}']);
});

test('a malformed message is reported and the connection lives on', async () => {
  const { client, heard, say } = signalingRig();
  client.start();
  await turn();
  for (const bad of ['{', '[]', '{"type":"offer"}', '{"type":"levels","inputs":3}', '{"type":"levels","inputs":[{"input":"x"}]}']) say(bad);
  assert.deepEqual(heard, Array.from({ length: 5 }, () => ['problem', 'bad_message']));
  say({ type: 'offer', sdp: 'good' });
  assert.deepEqual(heard[5], ['offer', 'good']);
});

test('a broken connection comes back with a fresh token', async () => {
  const { client, sockets, timers, heard } = signalingRig();
  client.start();
  await turn();
  sockets[0]?.on.onClose();
  assert.deepEqual(heard, [['connected', false]]);
  timers.splice(0)[0]?.then();
  await turn();
  assert.equal(sockets.length, 2);
  assert.ok(sockets[1]?.url.endsWith('t%262'));
});

test('while there is no engine it keeps asking, with pauses that grow to a limit', async () => {
  const { client, sockets, timers, refuse } = signalingRig();
  refuse(true);
  client.start();
  const pauses: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    await turn();
    const timer = timers.splice(0)[0];
    assert.ok(timer);
    pauses.push(timer.ms);
    timer.then();
  }
  assert.equal(sockets.length, 0);
  assert.deepEqual(pauses, [...pauses].sort((a, b) => a - b));
  assert.equal(pauses[7], pauseBefore(99));
  refuse(false);
  await turn();
  timers.splice(0)[0]?.then();
  await turn();
  assert.equal(sockets.length, 1);
});

test('after it was stopped nothing comes back', async () => {
  const { client, sockets, timers } = signalingRig();
  client.start();
  await turn();
  client.stop();
  assert.ok(sockets[0]?.closed);
  sockets[0]?.on.onClose();
  assert.equal(timers.length, 0);
});

test('a candidate without a section belongs to the first; the end of candidates is null', () => {
  assert.deepEqual(readServerMessage('{"type":"candidate","candidate":{"candidate":"c"}}'), { type: 'candidate', candidate: { candidate: 'c', sdpMLineIndex: 0 } });
  assert.deepEqual(readServerMessage('{"type":"candidate","candidate":null}'), { type: 'candidate', candidate: null });
});

class FakePeer implements PeerLike {
  connectionState = 'new';
  log: string[] = [];
  refusesOffer = false;
  constructor(readonly on: PeerListeners) {}
  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    if (this.refusesOffer) throw new Error('bad sdp');
    this.log.push(`remote ${sdp}`);
    const track: MediaStreamTrack = Object.create(null);
    this.on.onTrack(track, {});
    this.on.onTrack(track, {});
  }
  async createAnswer(): Promise<{ sdp?: string }> {
    return { sdp: 'answer' };
  }
  async setLocalDescription({ sdp }: { sdp: string }): Promise<void> {
    this.log.push(`local ${sdp}`);
  }
  async addIceCandidate({ candidate }: RTCIceCandidateInit): Promise<void> {
    this.log.push(`candidate ${candidate}`);
    if (candidate === 'useless') throw new Error('unknown');
  }
  close(): void {
    this.log.push('close');
  }
}

function rtcRig() {
  const peers: FakePeer[] = [];
  const heard: unknown[][] = [];
  const manager = new RtcManager({
    createPeer: (on) => {
      const peer = new FakePeer(on);
      peers.push(peer);
      return peer;
    },
    createStream: (tracks): MediaStream => Object.assign(Object.create(null), { tracks: tracks.length }),
    onAnswer: (sdp) => heard.push(['answer', sdp]),
    onCandidate: (candidate) => heard.push(['candidate', candidate]),
    onStream: (stream) => heard.push(['stream', stream !== undefined]),
    onConnected: (connected) => heard.push(['connected', connected]),
    onFailed: () => heard.push(['failed']),
  });
  return { manager, peers, heard };
}

test('an offer becomes an answer and one stream of both tracks', async () => {
  const { manager, peers, heard } = rtcRig();
  await manager.takeOffer('v=0');
  assert.deepEqual(peers[0]?.log, ['remote v=0', 'local answer']);
  assert.deepEqual(heard, [['stream', true], ['answer', 'answer']]);
});

test('candidates that come before the description wait for it; a useless one harms nobody', async () => {
  const { manager, peers } = rtcRig();
  const offered = manager.takeOffer('v=0');
  await manager.takeCandidate({ candidate: 'early' });
  await offered;
  await manager.takeCandidate({ candidate: 'useless' });
  await manager.takeCandidate({ candidate: 'late' });
  await manager.takeCandidate(null);
  assert.deepEqual(peers[0]?.log, ['remote v=0', 'candidate early', 'local answer', 'candidate useless', 'candidate late']);
});

test('each offer gets a new peer; the old one is closed and no longer heard', async () => {
  const { manager, peers, heard } = rtcRig();
  await manager.takeOffer('one');
  await manager.takeOffer('two');
  assert.ok(peers[0]?.log.includes('close'));
  const before = heard.length;
  peers[0]?.on.onState();
  peers[0]?.on.onCandidate({ candidate: 'late' });
  assert.equal(heard.length, before);
});

test('a peer that fails asks for a new offer once', async () => {
  const { manager, peers, heard } = rtcRig();
  await manager.takeOffer('one');
  const [peer] = peers;
  assert.ok(peer);
  peer.connectionState = 'connected';
  peer.on.onState();
  peer.connectionState = 'failed';
  peer.on.onState();
  peer.on.onState();
  assert.equal(heard.filter(([what]) => what === 'failed').length, 1);
  assert.deepEqual(heard.slice(-3), [['connected', false], ['stream', false], ['failed']]);
});

test('a meter is empty at −60 dBFS and full at 0', () => {
  assert.deepEqual([-120, -60, -30, 0, 6].map(fillOf), [0, 0, 0.5, 1, 1]);
});

test('levels reach the meter of their input, and an input that is told no more is silent', () => {
  const bus = new MeterBus();
  const heard: Array<[string, number | undefined]> = [];
  const stop = bus.listen('microphone', (reading) => heard.push(['microphone', reading?.peakDb]));
  bus.listen('master', (reading) => heard.push(['master', reading?.peakDb]));
  bus.publish([{ input: 'microphone', peakDb: -6, rmsDb: -12 }, { input: 'master', peakDb: -3, rmsDb: -9 }]);
  // The microphone was closed, the mix goes on.
  bus.publish([{ input: 'master', peakDb: -4, rmsDb: -9 }]);
  bus.silence();
  stop();
  bus.publish([{ input: 'microphone', peakDb: -1, rmsDb: -1 }]);
  assert.deepEqual(heard, [
    ['microphone', -6], ['master', -3],
    ['microphone', undefined], ['master', -4],
    ['microphone', undefined], ['master', undefined],
    ['master', undefined],
  ]);
});

test('the answer asks for both channels of Opus, once', () => {
  const sdp = 'm=audio 9 RTP 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=mid:1\r\n';
  const asked = withStereoOpus(sdp);
  assert.match(asked, /a=fmtp:111 minptime=10;useinbandfec=1;stereo=1\r\n/);
  assert.equal(withStereoOpus(asked), asked);
  assert.equal(withStereoOpus('m=video 9 RTP 96\r\n'), 'm=video 9 RTP 96\r\n');
});

test('in the captured picture the figures change every ten seconds, or when a viewer comes or goes', () => {
  const aim: Aim = { wantedKbps: 1, targetKbps: 1, width: 2, height: 2, fps: 1, limitedBy: 'nothing', trouble: 'none', heldForRecording: false, preset: '' };
  const sums = { fpsCaptured: 0, fpsEncoded: 1, fpsDropped: 0, videoKbps: 0, sentKbps: 0, viewers: 1, audioPeakDb: -120 };
  const stats: Stats = { ...sums, aim, encoder: '', encodeMs: 0, copies: 0, destinations: [], canvases: [] };
  assert.ok(mayShow({ stats, at: 0 }, stats, 1_000, false));
  assert.ok(!mayShow({ stats, at: 0 }, stats, 9_999, true));
  assert.ok(mayShow({ stats, at: 0 }, stats, 10_000, true));
  assert.ok(mayShow({ stats, at: 0 }, { ...stats, viewers: 2 }, 1_000, true));
});
