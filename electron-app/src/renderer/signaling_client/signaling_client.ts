/**
 * The connection to the engine's local signalling: stays connected, with a fresh token for each attempt.
 *
 * It moves messages and owns the only retry of the preview; SDP is opaque here. Sockets and time come from outside.
 */
import type { PreviewEndpoint } from '../../shared/model';
import { readServerMessage, type ClientMessage, type Level, type Loudness } from './messages';

/** What is used of a `WebSocket`. */
export interface SocketLike {
  send(data: string): void;
  close(): void;
}

export interface SocketListeners {
  onMessage(data: unknown): void;
  /** Also where the connection could not be made; called once. */
  onClose(): void;
}

export interface SignalingOptions {
  /** Asks main for an address and a token that is good for one connection. */
  endpoint(): Promise<PreviewEndpoint>;
  open(url: string, listeners: SocketListeners): SocketLike;
  after(ms: number, then: () => void): () => void;
  onOffer(sdp: string): void;
  onCandidate(candidate: RTCIceCandidateInit | null): void;
  onLevels(levels: Level[], loudness?: Loudness): void;
  onProblem(code: string, message: string): void;
  /** The connection came up or broke. */
  onConnected(connected: boolean): void;
}

/** The engine is back within a second of its death: a longer pause would be most of the time that a restart may take. */
const FIRST_PAUSE_MS = 150;
const LONGEST_PAUSE_MS = 1_500;

export function pauseBefore(attempt: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempt, 10), LONGEST_PAUSE_MS);
}

export class SignalingClient {
  private socket: SocketLike | undefined;
  private running = false;
  private connecting = false;
  private attempt = 0;
  private cancelRetry: (() => void) | undefined;

  constructor(private readonly options: SignalingOptions) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    this.attempt = 0;
    void this.connect();
  }

  stop(): void {
    this.running = false;
    this.cancelRetry?.();
    this.cancelRetry = undefined;
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  send(message: ClientMessage): void {
    this.socket?.send(JSON.stringify(message));
  }

  private async connect(): Promise<void> {
    if (!this.running || this.connecting || this.socket !== undefined) return;
    this.connecting = true;
    let endpoint: PreviewEndpoint;
    try {
      endpoint = await this.options.endpoint();
    } catch {
      this.connecting = false;
      this.retry();
      return;
    }
    this.connecting = false;
    if (!this.running) return;
    const url = `${endpoint.url}?token=${encodeURIComponent(endpoint.token)}`;
    const socket: SocketLike = this.options.open(url, {
      onMessage: (data) => {
        if (this.socket === socket) this.take(data);
      },
      onClose: () => {
        if (this.socket !== socket) return;
        this.socket = undefined;
        this.options.onConnected(false);
        this.retry();
      },
    });
    this.socket = socket;
  }

  private retry(): void {
    if (!this.running || this.cancelRetry !== undefined) return;
    const pause = pauseBefore(this.attempt);
    this.attempt += 1;
    this.cancelRetry = this.options.after(pause, () => {
      this.cancelRetry = undefined;
      void this.connect();
    });
  }

  private take(data: unknown): void {
    let message;
    try {
      message = readServerMessage(data);
    } catch (error) {
      this.options.onProblem('bad_message', error instanceof Error ? error.message : String(error));
      return;
    }
    switch (message?.type) {
      case 'hello':
        this.attempt = 0;
        this.options.onConnected(true);
        return;
      case 'offer':
        this.options.onOffer(message.sdp);
        return;
      case 'candidate':
        this.options.onCandidate(message.candidate);
        return;
      case 'levels':
        this.options.onLevels(message.inputs, message.loudness);
        return;
      case 'error':
        this.options.onProblem(message.code, message.message);
        return;
      case undefined:
        return;
    }
  }
}
