/**
 * What the receiving side of the preview adds to a picture's age, from `getStats()`. Pure.
 *
 * Only spans of time that one clock measured: waiting, decoding, and half of the way there and back. No clock is
 * compared with another one's, so that no number can be wrong by their difference.
 */
export interface ReceiverDelays {
  /** Half of the way there and back. */
  networkMs: number;
  jitterBufferMs: number;
  decodeMs: number;
}

/** Sums since the connection began; two of them give a mean. */
export interface ReceiverSums {
  buffered: number;
  emitted: number;
  decodeSeconds: number;
  decoded: number;
}

type Stat = { readonly [name: string]: unknown };

function isStat(value: unknown): value is Stat {
  return typeof value === 'object' && value !== null;
}

const figure = (stat: Stat | undefined, name: string): number | undefined => {
  const value = stat?.[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
};

/** The sums now, and the means since `before`; a part that is not known leaves the means away. */
export function receiverDelays(stats: Iterable<unknown>, before: ReceiverSums | undefined): { sums?: ReceiverSums; delays?: ReceiverDelays } {
  const all = [...stats].filter(isStat);
  const video = (type: string): Stat | undefined =>
    all.find((stat) => stat['type'] === type && stat['kind'] === 'video' && stat['remoteSource'] !== false);
  const stream = video('inbound-rtp');
  // Chromium before 90 keeps what belongs to the buffer at the track.
  const buffer = figure(stream, 'jitterBufferDelay') === undefined ? video('track') : stream;
  const pair = all.find((stat) => stat['type'] === 'candidate-pair' && stat['nominated'] === true && stat['state'] === 'succeeded');
  const buffered = figure(buffer, 'jitterBufferDelay');
  const emitted = figure(buffer, 'jitterBufferEmittedCount');
  const decodeSeconds = figure(stream, 'totalDecodeTime');
  const decoded = figure(stream, 'framesDecoded') ?? figure(buffer, 'framesDecoded');
  const roundTrip = figure(pair, 'currentRoundTripTime');
  if (buffered === undefined || emitted === undefined || decodeSeconds === undefined || decoded === undefined) return {};
  const sums = { buffered, emitted, decodeSeconds, decoded };
  if (before === undefined || roundTrip === undefined) return { sums };
  const pictures = decoded - before.decoded;
  const out = emitted - before.emitted;
  // A still picture: nothing was shown, so nothing has an age. A new connection begins at zero.
  if (pictures <= 0 || out <= 0) return { sums };
  return {
    sums,
    delays: {
      networkMs: (roundTrip * 1000) / 2,
      jitterBufferMs: ((buffered - before.buffered) * 1000) / out,
      decodeMs: ((decodeSeconds - before.decodeSeconds) * 1000) / pictures,
    },
  };
}
