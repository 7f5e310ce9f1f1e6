import assert from 'node:assert/strict';
import { test } from 'node:test';
import { receiverDelays } from '../../src/renderer/rtc_manager/receiver_delays';

const pair = { type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 0.002 };
const now = (seconds: number) => [
  { type: 'inbound-rtp', kind: 'audio', jitterBufferDelay: 99, jitterBufferEmittedCount: 1 },
  {
    type: 'inbound-rtp',
    kind: 'video',
    jitterBufferDelay: 0.3 * seconds,
    jitterBufferEmittedCount: 30 * seconds,
    totalDecodeTime: 0.06 * seconds,
    framesDecoded: 30 * seconds,
  },
  pair,
];
/** As Chromium 83 tells it: the buffer's sums stand at the track. */
const old = (seconds: number) => [
  { type: 'inbound-rtp', kind: 'video', totalDecodeTime: 0.06 * seconds, framesDecoded: 30 * seconds },
  { type: 'track', kind: 'video', remoteSource: true, jitterBufferDelay: 0.3 * seconds, jitterBufferEmittedCount: 30 * seconds },
  pair,
];

for (const [name, stats] of [['a new browser', now], ['an old one', old]] as const) {
  test(`the parts of reception are means between two looks, in ${name}`, () => {
    const first = receiverDelays(stats(1), undefined);
    assert.equal(first.delays, undefined, 'one look has no mean');
    const { delays } = receiverDelays(stats(2), first.sums);
    assert.ok(delays !== undefined);
    assert.ok(Math.abs(delays.networkMs - 1) < 1e-9 && Math.abs(delays.jitterBufferMs - 10) < 1e-9 && Math.abs(delays.decodeMs - 2) < 1e-9);
  });
}

test('what was not shown has no age, and a missing part leaves all away', () => {
  const { sums } = receiverDelays(now(1), undefined);
  assert.equal(receiverDelays(now(1), sums).delays, undefined, 'a still picture');
  assert.equal(receiverDelays(now(2).slice(0, 2), sums).delays, undefined, 'no way there and back');
  assert.deepEqual(receiverDelays([pair, null, 'text'], sums), {});
});
