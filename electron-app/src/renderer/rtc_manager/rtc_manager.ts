/**
 * The receiving peer of the preview: an offer in, an answer out, a `MediaStream` to show.
 *
 * Each offer comes from a new peer of the engine, so each gets a new `RTCPeerConnection`. It never retries by itself:
 * a peer that fails asks, once, for another offer.
 */

import { receiverDelays, type ReceiverDelays, type ReceiverSums } from './receiver_delays';

/** What is used of an `RTCPeerConnection`. */
export interface PeerLike {
  readonly connectionState: string;
  setRemoteDescription(description: { type: 'offer'; sdp: string }): Promise<void>;
  createAnswer(): Promise<{ sdp?: string }>;
  setLocalDescription(description: { type: 'answer'; sdp: string }): Promise<void>;
  addIceCandidate(candidate: RTCIceCandidateInit): Promise<void>;
  getStats?(): Promise<{ forEach(each: (stat: unknown) => void): void }>;
  close(): void;
}

export interface PeerListeners {
  onCandidate(candidate: RTCIceCandidateInit | null): void;
  onTrack(track: MediaStreamTrack, receiver: object): void;
  onState(): void;
}

export interface RtcOptions {
  createPeer(listeners: PeerListeners): PeerLike;
  createStream(tracks: MediaStreamTrack[]): MediaStream;
  onAnswer(sdp: string): void;
  onCandidate(candidate: RTCIceCandidateInit | null): void;
  /** The stream to show; `undefined` once there is none. */
  onStream(stream: MediaStream | undefined): void;
  onConnected(connected: boolean): void;
  /** The peer is of no more use: ask the engine for a new one. */
  onFailed(): void;
}

/** A preview wants the newest picture, not the smoothest: both names of the setting, where the browser has it. */
function bufferAsLittleAsPossible(receiver: object): void {
  if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
  else if ('playoutDelayHint' in receiver) receiver.playoutDelayHint = 0;
}

/** An answer that asks for both channels (RFC 7587, section 6.1): without it Chromium decodes Opus to one. */
export function withStereoOpus(sdp: string): string {
  const payload = /^a=rtpmap:(\d+) opus\/48000\/2/im.exec(sdp)?.[1];
  if (payload === undefined) return sdp;
  const format = new RegExp(`^a=fmtp:${payload} (?!.*\\bstereo=)(.*?)(\\r?)$`, 'm');
  return sdp.replace(format, `a=fmtp:${payload} $1;stereo=1$2`);
}

export class RtcManager {
  private peer: PeerLike | undefined;
  private tracks: MediaStreamTrack[] = [];
  private early: RTCIceCandidateInit[] = [];
  private described = false;
  private sums: ReceiverSums | undefined;

  constructor(private readonly options: RtcOptions) {}

  async takeOffer(sdp: string): Promise<void> {
    this.close();
    const current = (): boolean => this.peer === peer;
    const peer: PeerLike = this.options.createPeer({
      onCandidate: (candidate) => {
        if (current()) this.options.onCandidate(candidate);
      },
      onTrack: (track, receiver) => {
        if (!current()) return;
        bufferAsLittleAsPossible(receiver);
        this.tracks.push(track);
      },
      onState: () => {
        if (!current()) return;
        this.options.onConnected(peer.connectionState === 'connected');
        if (peer.connectionState === 'failed') this.fail();
      },
    });
    this.peer = peer;
    try {
      await peer.setRemoteDescription({ type: 'offer', sdp });
      if (!current()) return;
      this.described = true;
      // Every track of the offer has been told by now: one stream, set once, does not make the video start twice.
      this.options.onStream(this.options.createStream(this.tracks));
      for (const candidate of this.early.splice(0)) await this.add(peer, candidate);
      const answer = await peer.createAnswer();
      if (!current()) return;
      const local = withStereoOpus(answer.sdp ?? '');
      await peer.setLocalDescription({ type: 'answer', sdp: local });
      if (current()) this.options.onAnswer(local);
    } catch {
      if (current()) this.fail();
    }
  }

  async takeCandidate(candidate: RTCIceCandidateInit | null): Promise<void> {
    if (candidate === null || this.peer === undefined) return;
    if (this.described) await this.add(this.peer, candidate);
    else this.early.push(candidate);
  }

  /** What reception added to the pictures since the last call; nothing where that is not known. */
  async delays(): Promise<ReceiverDelays | undefined> {
    const { peer } = this;
    if (peer?.getStats === undefined) return undefined;
    const stats: unknown[] = [];
    (await peer.getStats()).forEach((stat) => stats.push(stat));
    if (this.peer !== peer) return undefined;
    const { sums, delays } = receiverDelays(stats, this.sums);
    this.sums = sums;
    return delays;
  }

  close(): void {
    const peer = this.peer;
    this.peer = undefined;
    this.tracks = [];
    this.early = [];
    this.described = false;
    this.sums = undefined;
    if (peer === undefined) return;
    peer.close();
    this.options.onConnected(false);
    this.options.onStream(undefined);
  }

  private fail(): void {
    this.close();
    this.options.onFailed();
  }

  /** A candidate that can't be used (another network, an unknown kind) is no reason to give the others up. */
  private async add(peer: PeerLike, candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await peer.addIceCandidate(candidate);
    } catch {
      // The connection's own state tells whether any candidate worked.
    }
  }
}
