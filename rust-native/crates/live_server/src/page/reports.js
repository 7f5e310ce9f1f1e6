// What this player tells the server of its own picture, for who looks after it: how soon it came, for how long it stood
// still, how far behind it is. Twice a minute and at the end, under a name made up for this page.
'use strict';

window.REPORTS = (url, headers) => {
  const EVERY_MS = 30000;
  const viewer = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  let asked = 0;
  const fresh = () => ({ viewer, join_ms: null, watched_ms: 0, freezes: 0, frozen_ms: 0, delay_ms: null });
  let report = fresh();
  let still = false;
  let sentAt = performance.now();

  function send() {
    if (report.watched_ms <= 0) return;
    const body = JSON.stringify(report);
    report = fresh();
    sentAt = performance.now();
    // It is no loss when it doesn't arrive; `keepalive` lets it outlive the page.
    fetch(url, { method: 'POST', headers: headers({ 'Content-Type': 'application/json' }), body, keepalive: true }).catch(() => {});
  }

  window.addEventListener('pagehide', send);

  return {
    /** The stream is asked for. */
    asked: () => { asked = performance.now(); },
    /** There is a picture; counts once for each time that it was asked for. */
    joined: () => {
      if (asked > 0) report.join_ms = Math.min(600000, performance.now() - asked);
      asked = 0;
    },
    /** About a second went by: whether pictures should have moved, whether they did, and how far behind they are. */
    second: (ms, should, moved, delay) => {
      if (document.hidden || !(ms > 0 && ms < 5000)) return;
      report.watched_ms += ms;
      const stands = should && !moved;
      if (stands) report.frozen_ms += ms;
      if (stands && !still) report.freezes += 1;
      still = stands;
      if (delay !== null) report.delay_ms = Math.max(0, Math.min(600000, delay));
      if (performance.now() - sentAt >= EVERY_MS) send();
    },
  };
};
