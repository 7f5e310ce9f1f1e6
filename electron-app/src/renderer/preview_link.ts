/** Joins signalling and peer into one thing that the preview shows. Real sockets and peers are made only here. */
import type { Bridge } from '../shared/contract';
import type { MeterBus } from './meters';
import type { ReceiverDelays } from './rtc_manager/receiver_delays';
import { RtcManager, type PeerLike, type PeerListeners } from './rtc_manager/rtc_manager';
import { SignalingClient, type SocketLike, type SocketListeners } from './signaling_client/signaling_client';

export interface PreviewListeners {
  onStream(stream: MediaStream | undefined): void;
  onConnected(connected: boolean): void;
}

function openPeer(on: PeerListeners): PeerLike {
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  peer.onicecandidate = (event) => on.onCandidate(event.candidate === null ? null : event.candidate.toJSON());
  peer.ontrack = (event) => on.onTrack(event.track, event.receiver);
  peer.onconnectionstatechange = () => on.onState();
  return peer;
}

function openSocket(url: string, on: SocketListeners): SocketLike {
  const socket = new WebSocket(url);
  socket.onmessage = (event) => on.onMessage(event.data);
  socket.onclose = () => on.onClose();
  return {
    send: (data) => {
      // One that is closing loses the message; its `onClose` brings a new connection with a new offer.
      if (socket.readyState === WebSocket.OPEN) socket.send(data);
    },
    close: () => socket.close(),
  };
}

export interface PreviewLink {
  /** What reception adds to a picture's age. */
  delays(): Promise<ReceiverDelays | undefined>;
  end(): void;
}

/** Runs until the page goes. */
export function linkPreview(bridge: Bridge, meters: MeterBus, on: PreviewListeners): PreviewLink {
  const rtc: RtcManager = new RtcManager({
    createPeer: openPeer,
    createStream: (tracks) => new MediaStream(tracks),
    onAnswer: (sdp) => signaling.send({ type: 'answer', sdp }),
    onCandidate: (candidate) => signaling.send({ type: 'candidate', candidate }),
    onStream: on.onStream,
    onConnected: on.onConnected,
    onFailed: () => signaling.send({ type: 'restart' }),
  });
  const signaling: SignalingClient = new SignalingClient({
    endpoint: async () => {
      const answer = await bridge.openPreview();
      if (!answer.ok) throw new Error(answer.problem.code);
      return answer.value;
    },
    open: openSocket,
    after: (ms, then) => {
      const timer = setTimeout(then, ms);
      return () => clearTimeout(timer);
    },
    onOffer: (sdp) => void rtc.takeOffer(sdp),
    onCandidate: (candidate) => void rtc.takeCandidate(candidate),
    onLevels: (levels, loudness) => meters.publish(levels, loudness),
    onProblem: (code, message) => console.warn(`preview: ${code}: ${message}`),
    onConnected: (connected) => {
      if (connected) return;
      meters.silence();
      rtc.close();
    },
  });
  signaling.start();
  return {
    delays: () => rtc.delays(),
    end: () => {
      signaling.stop();
      rtc.close();
    },
  };
}
