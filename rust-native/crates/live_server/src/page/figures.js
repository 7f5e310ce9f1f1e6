// What a connection's statistics say, and how the page shows it.
'use strict';

window.FIGURES = (() => {
  /** Sums up `getStats`, in the words of today and of Chromium 83 (which keeps the picture's figures on `track`). */
  async function measure(pc) {
    const now = { at: performance.now(), bytes: 0, videoBytes: 0, lost: 0, received: 0, frames: 0, held: 0, released: 0, decoding: 0, jitter: 0, repairs: 0, sounds: 0 };
    let pair = null;
    let older = null;
    const report = await pc.getStats();
    report.forEach((stat) => {
      const kind = stat.kind || stat.mediaType;
      if (stat.type === 'inbound-rtp' && !stat.isRemote) {
        now.bytes += stat.bytesReceived || 0;
        now.lost += stat.packetsLost || 0;
        now.received += stat.packetsReceived || 0;
        if (kind === 'audio') now.sounds = stat.packetsReceived || 0;
        if (kind === 'video') {
          now.videoBytes = stat.bytesReceived || 0;
          now.jitter = stat.jitter || 0;
          now.repairs = stat.nackCount || 0;
          now.frames = stat.framesDecoded || 0;
          now.width = stat.frameWidth;
          now.height = stat.frameHeight;
          now.held = stat.jitterBufferDelay || 0;
          now.released = stat.jitterBufferEmittedCount || 0;
          now.decoding = stat.totalDecodeTime || 0;
        }
      }
      if (stat.type === 'track' && kind === 'video') older = stat;
      if (stat.type === 'transport' && stat.selectedCandidatePairId) pair = report.get(stat.selectedCandidatePairId) || pair;
      if (stat.type === 'candidate-pair' && !pair && stat.nominated && stat.state === 'succeeded') pair = stat;
    });
    if (older) {
      now.frames = now.frames || older.framesDecoded || 0;
      now.width = now.width || older.frameWidth;
      now.height = now.height || older.frameHeight;
      now.held = now.held || older.jitterBufferDelay || 0;
      now.released = now.released || older.jitterBufferEmittedCount || 0;
    }
    now.trip = pair && typeof pair.currentRoundTripTime === 'number' ? pair.currentRoundTripTime : null;
    return now;
  }

  /** Half of each round trip, the jitter buffer and the decoder, from what really passed in the last second. */
  function delay(before, now, publisherTrip) {
    const released = now.released - before.released;
    const frames = now.frames - before.frames;
    if (now.trip === null || typeof publisherTrip !== 'number' || released <= 0 || frames <= 0) return null;
    const buffered = ((now.held - before.held) / released) * 1000;
    const decoding = ((now.decoding - before.decoding) / frames) * 1000;
    const whole = (now.trip * 1000 + publisherTrip) / 2 + buffered + decoding;
    return whole >= 0 && whole < 60000 ? whole : null;
  }

  function figure(id, value, unit) {
    const element = document.getElementById(id);
    element.textContent = value;
    if (unit) {
      const small = document.createElement('small');
      small.textContent = unit;
      element.append(small);
    }
  }

  /** Writes them into the page; `null`: there are none. */
  function show(figures) {
    if (!figures) {
      for (const id of ['f-size', 'f-fps', 'f-rate', 'f-delay', 'f-loss', 'f-path']) figure(id, '–');
      return;
    }
    figure('f-path', figures.path);
    const { size, fps, kbps, delay, loss } = figures;
    figure('f-size', size || '–');
    figure('f-fps', fps === null ? '–' : fps.toFixed(fps < 10 ? 1 : 0), fps === null ? '' : 'fps');
    if (kbps === null) figure('f-rate', '–');
    else if (kbps >= 1000) figure('f-rate', (kbps / 1000).toFixed(1), 'Mbit/s');
    else figure('f-rate', kbps.toFixed(0), 'kbit/s');
    // No figure rather than a wrong one.
    figure('f-delay', delay === null ? '–' : '≈ ' + Math.round(delay), delay === null ? '' : 'ms');
    figure('f-loss', loss === null ? '–' : (loss * 100).toFixed(loss > 0 && loss < 0.1 ? 1 : 0), loss === null ? '' : '%');
  }

  return { measure, delay, show };
})();
