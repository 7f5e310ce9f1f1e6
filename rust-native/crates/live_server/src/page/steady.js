// How long pictures are held back so that they come evenly. Where there is no sound to be in step with, the server is asked to
// tell this page's player to hold back nothing at all (`buffer` of the session's wishes): the least delay there is, and right
// on an even line. Where packets come unevenly, or again, that would show: the page then asks for as much as it takes, and for
// less again once the line has been even for a while.
'use strict';

window.STEADY = (() => {
  /** Interarrival jitter (RFC 3550, 6.4.1) that a picture's own time on the screen hides, ms. */
  const EVEN_MS = 15;
  /** Pictures a second below which there is no motion to be even. What jitter says then is old: it is a mean over packets. */
  const MOVING = 10;
  const LEAST_MS = 60;
  const MOST_MS = 400;
  /** A second of trouble may be anything; so many of the last few are the line. */
  const ROUGH_SECONDS = 2;
  const WATCHED_SECONDS = 5;
  /** Even for so long: half as much will do. */
  const CALM_SECONDS = 30;

  const start = () => ({ buffer: 0, rough: [], calm: 0 });

  /** One second further: `jitter` in ms, `repairs` and `pictures` count those asked for again and shown in it. Gives the new state. */
  function second(state, { jitter, repairs, pictures }) {
    const isRough = repairs > 0 || (pictures >= MOVING && jitter > EVEN_MS);
    const rough = [...state.rough, isRough].slice(-WATCHED_SECONDS);
    const calm = isRough ? 0 : state.calm + 1;
    if (rough.filter(Boolean).length >= ROUGH_SECONDS) {
      const buffer = Math.min(MOST_MS, Math.max(LEAST_MS, 2 * state.buffer, 3 * jitter));
      return { buffer, rough: [], calm: 0 };
    }
    if (calm < CALM_SECONDS || state.buffer === 0) return { buffer: state.buffer, rough, calm };
    const half = state.buffer / 2;
    return { buffer: half < LEAST_MS ? 0 : half, rough: [], calm: 0 };
  }

  /** As little buffering as the browser dares beside `ms`: the newer name, then the older ones, which count in seconds. */
  function apply(receiver, ms) {
    if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = ms;
    else if ('playoutDelayHint' in receiver) receiver.playoutDelayHint = ms / 1000;
    else if ('jitterBufferDelayHint' in receiver) receiver.jitterBufferDelayHint = ms / 1000;
  }

  return { start, second, apply };
})();
