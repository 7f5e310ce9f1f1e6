// The viewer: WHEP in, a picture out; LL-HLS where WebRTC can't get through. Here it is decided which way is taken, and
// what the page says of it. Plain script, no build, no other host. Runs in Chromium 83 and up.
'use strict';

(() => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const video = $('video');
  const stage = $('stage');

  // ---- Where and who -------------------------------------------------------------------------------------------

  const query = new URLSearchParams(location.search);
  const path = /^\/v\/([A-Za-z0-9_-]+)$/.exec(location.pathname);
  const name = (path && path[1]) || query.get('stream') || 'live';
  // The token travels in the fragment, which no request and no server log carries. One that came in the query (an old
  // link) is moved there before anything else is fetched.
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get('token') || query.get('token') || '';
  if (query.has('token')) {
    query.delete('token');
    const rest = query.toString();
    history.replaceState(null, '', location.pathname + (rest ? '?' + rest : '') + '#token=' + encodeURIComponent(token));
  }
  window.addEventListener('hashchange', () => location.reload());
  const headers = (more) => Object.assign(token ? { Authorization: 'Bearer ' + token } : {}, more);
  const endpoint = '/whep/' + encodeURIComponent(name);
  const figuresUrl = '/api/v1/streams/' + encodeURIComponent(name);

  const reports = window.REPORTS(figuresUrl + '/report', headers);

  // ---- Words ---------------------------------------------------------------------------------------------------

  const remembered = (key) => { try { return localStorage.getItem(key); } catch (_) { return null; } };
  const remember = (key, value) => { try { localStorage.setItem(key, value); } catch (_) { /* private window */ } };
  let language = remembered('tidecast.language') || (/^zh/i.test(navigator.language || '') ? 'zh' : 'en');
  if (language !== 'zh') language = 'en';
  const word = (key) => window.WORDS[language][key];
  const log = window.LOG.add;

  function showWords() {
    root.lang = language === 'zh' ? 'zh-CN' : 'en';
    for (const element of document.querySelectorAll('[data-word]')) element.textContent = word(element.dataset.word);
    $('language').textContent = word('language');
    $('language').title = word('languageHint');
    $('volume').setAttribute('aria-label', word('volume'));
    $('delay-tile').title = word('delayHint');
    $('path-tile').title = word('pathHint');
    showQuality();
    document.title = name + ' · ' + word('title');
    showState();
  }

  // ---- State ---------------------------------------------------------------------------------------------------

  let state = 'connecting';
  let message = 'connecting';
  /** `state` is what happens (connecting, live, offline, error), `words` which sentence says it. */
  function setState(next, words) {
    if (next !== state || words !== message) log(next + (words && words !== next ? ' (' + words + ')' : ''));
    state = next;
    message = words;
    showState();
  }
  function showState() {
    root.dataset.state = state;
    $('badge-text').textContent = word(state);
    if (state !== 'live') {
      $('headline').textContent = word(message + 'Head');
      $('detail').textContent = word(message + 'Body');
    }
    // Behind an interruption the last picture stays visible.
    root.dataset.veil = state !== 'live' && video.readyState >= 2 && video.videoWidth > 0 ? 'thin' : 'full';
    $('again').hidden = state !== 'error';
    controls.show();
  }

  const controls = window.CONTROLS({
    video,
    stage,
    word,
    remembered,
    remember,
    isLive: () => state === 'live',
    isSilent: () => Boolean(info && info.live && !info.audio_codec),
  });

  const quality = window.QUALITY({
    word,
    remembered,
    remember,
    chosen: (name) => { for (const taken of [webrtc, files]) if (taken) taken.choose(name); },
  });
  function showQuality() {
    const possible = Boolean(webrtc || (files && files.choosable));
    // What the publisher sends itself in other sizes is not among the files.
    const had = (rendition) => webrtc || !rendition.published || rendition.name === 'source';
    const renditions = info && info.renditions && info.renditions.filter(had);
    quality.show({ renditions, width: video.videoWidth, height: video.videoHeight, possible });
  }
  video.addEventListener('resize', showQuality);

  /** A picture (or, without one, sound) is there. */
  function pictured() {
    if (!webrtc && !files) return;
    webrtcWorks = webrtcWorks || Boolean(webrtc);
    reports.joined();
    attempt = 0;
    fruitless = 0;
    setState('live', 'live');
  }
  video.addEventListener('playing', () => { if (video.videoWidth > 0) pictured(); });
  video.addEventListener('resize', () => { if (video.videoWidth > 0 && !video.paused) pictured(); });

  // ---- Connection ----------------------------------------------------------------------------------------------

  /** The session of the first way, and the player of the second, while it is taken. */
  let webrtc = null;
  let files = null;
  let attempt = 0;
  let timer = 0;
  let generation = 0;
  let info = null;
  /** `?path=webrtc` or `?path=hls` keeps to one of them. */
  const kept = /^(webrtc|hls)$/.test(query.get('path') || '') ? query.get('path') : null;
  let way = kept || 'webrtc';
  /** Tries in a row of the present way that brought no picture, and for which the way itself may be to blame. */
  let fruitless = 0;
  /** It has brought a picture here: a stream that begins again is looked for there first. */
  let webrtcWorks = false;

  async function connect() {
    const mine = ++generation;
    clearTimeout(timer);
    drop();
    reports.asked();
    if (state === 'error') setState('connecting', 'connecting');
    const failing = (error) => { if (mine === generation) failed(error); };
    const wanted = { video, log, quality: quality.wanted(), play: controls.play, failed: failing };
    try {
      if (way === 'webrtc') {
        webrtc = window.WHEP.start({ ...wanted, endpoint, headers });
        return;
      }
      const started = await window.FILES.start({ ...wanted, name, token });
      if (mine !== generation) started.stop();
      else files = started;
    } catch (error) {
      failing(error);
    }
  }

  const LATELY_MS = 15000;
  let liveAt = -Infinity;

  function failed(error) {
    drop();
    let wait = Math.min(8000, 500 * 2 ** Math.min(attempt, 4));
    attempt += 1;
    // Who was watching a moment ago should miss no more than the streamer's own restart takes.
    const lately = performance.now() - liveAt < LATELY_MS;
    if (lately) wait = 300;
    const { status = 0, retryAfter = 0 } = error;
    const otherWay = !kept && window.FILES.possible(video);
    if (error.reason === 'codec' && !otherWay) {
      setState('error', 'codec');
      return;
    }
    // Who was refused is refused on both ways; a full server may have room on the other one. A server that can't be
    // asked, or a streamer who sends nothing, says nothing against WebRTC: only a transport that breaks does.
    if (error.hopeless) fruitless = 2;
    else if (status === 503 || (way === 'webrtc' ? error.transport : status === 0)) fruitless += 1;
    if (fruitless >= 2 && otherWay) {
      fruitless = 0;
      way = way === 'webrtc' ? 'hls' : 'webrtc';
      log(way === 'hls' ? 'WebRTC does not get through: LL-HLS' : 'back to WebRTC');
      wait = Math.min(wait, 500);
    }
    if (status) log('server: ' + status);
    else log(error.message || String(error));
    if (status === 401 || status === 403) {
      setState('error', 'token');
      return;
    }
    if (status === 404 || status === 409) {
      setState('offline', status === 404 ? 'missing' : 'offline');
      // The figures say sooner, and for less, that the stream has started.
      if (!lately) wait = Math.max(5000, retryAfter * 1000);
    } else if (status === 429 || status === 503) {
      setState('offline', 'full');
      wait = Math.max(wait, (retryAfter || 5) * 1000);
    } else {
      setState('connecting', 'lost');
    }
    clearTimeout(timer);
    timer = setTimeout(connect, wait * (0.85 + Math.random() * 0.3));
  }

  function drop() {
    for (const taken of [webrtc, files]) if (taken) taken.stop();
    webrtc = files = last = null;
    stalled = stalledLive = 0;
    showFigures(null);
  }

  $('again').addEventListener('click', () => { attempt = 0; connect(); });
  $('language').addEventListener('click', () => {
    language = language === 'zh' ? 'en' : 'zh';
    remember('tidecast.language', language);
    showWords();
  });
  $('copy').addEventListener('click', () => window.LOG.copy(() => {
    $('copy').textContent = word('copied');
    setTimeout(() => { $('copy').textContent = word('copyLog'); }, 1500);
  }));

  // ---- Figures -------------------------------------------------------------------------------------------------

  let last = null;
  let stalled = 0;
  let stalledLive = 0;
  let pollTimer = 0;

  const showFigures = window.FIGURES.show;

  /** Whether pictures come to the server so fast that a second without one means that it stands still here. A still
   *  screen sends one a second. */
  const mustMove = () => Boolean(info && info.live && info.fps >= 5);

  /** Seconds without progress after which files are given up: a segment, and as much again. */
  const PATIENCE_FILES = 8;
  function watchFiles() {
    files.catchUp();
    const now = files.figures();
    const before = last;
    last = now;
    if (!before) return;
    const seconds = (now.at - before.at) / 1000;
    const moves = now.position > before.position;
    stalled = moves || video.paused ? 0 : stalled + 1;
    if (moves && state !== 'live') pictured();
    if (state === 'live') reports.second(seconds * 1000, mustMove(), moves || video.paused, now.delay);
    if (stalled >= 3 && state === 'live' && info && !info.live) setState('offline', 'paused');
    if (stalled >= PATIENCE_FILES && info && info.live) {
      failed(new Error('nothing arrives'));
      return;
    }
    showFigures({
      path: now.low ? 'LL-HLS' : 'HLS',
      size: now.width && now.height ? now.width + ' × ' + now.height : null,
      fps: (now.frames - before.frames) / seconds,
      kbps: now.kbps,
      delay: now.delay,
      loss: null,
    });
  }

  async function everySecond() {
    const mine = webrtc;
    if (files) watchFiles();
    if (mine && mine.pc.connectionState === 'connected') {
      const now = await window.FIGURES.measure(mine.pc);
      if (mine !== webrtc) return;
      const before = last;
      last = now;
      if (before) {
        const seconds = (now.at - before.at) / 1000;
        const packets = now.received - before.received;
        const lost = Math.max(0, now.lost - before.lost);
        mine.second(before, now);
        watch(now.bytes - before.bytes, now.frames - before.frames);
        if (mine !== webrtc) return;
        const delay = window.FIGURES.delay(before, now, info ? info.publisher_rtt_ms : null);
        if (state === 'live') reports.second(seconds * 1000, mustMove(), now.frames > before.frames || video.paused, delay);
        showFigures({
          path: 'WebRTC',
          size: now.width && now.height ? now.width + ' × ' + now.height : null,
          fps: now.frames ? (now.frames - before.frames) / seconds : null,
          kbps: ((now.bytes - before.bytes) * 8) / 1000 / seconds,
          delay,
          loss: packets + lost > 0 ? lost / (packets + lost) : null,
        });
      }
    }
    if (state === 'live' && info && info.since_ms) {
      const seconds = Math.max(0, Math.floor((Date.now() - info.since_ms) / 1000));
      const two = (number) => String(number).padStart(2, '0');
      const hours = Math.floor(seconds / 3600);
      // Clocks of two machines may differ by more than the stream is old: show nothing then.
      $('clock').hidden = seconds > 7 * 86400;
      $('clock').textContent = (hours ? hours + ':' : '') + two(Math.floor(seconds / 60) % 60) + ':' + two(seconds % 60);
    }
  }

  /** Seconds without a byte after which the session is given up: while the stream is live, and while it isn't (the
   *  server keeps a viewer for 15 s, so that it goes on by itself when the streamer comes back in that time). */
  const PATIENCE_LIVE = 4;
  const PATIENCE_GONE = 17;

  /** Nothing arrives: the streamer's connection, or ours? The server says. */
  function watch(bytes, frames) {
    stalled = bytes > 0 ? 0 : stalled + 1;
    // A still picture without sound sends next to nothing: only what the server receives can be missing here.
    if (bytes > 0) stalledLive = 0;
    else if (info && info.live && info.bitrate_kbps > 0) stalledLive += 1;
    if (bytes > 0) {
      if (state !== 'live' && (frames > 0 || (info && info.live && !info.video_codec))) pictured();
      return;
    }
    if (state === 'live' && stalled >= 2 && info && !info.live) setState('offline', 'paused');
    if (stalledLive >= PATIENCE_LIVE) failed(new Error('nothing arrives'));
    else if (stalled >= PATIENCE_GONE && info && !info.live) {
      drop();
      setState('offline', 'offline');
    }
  }

  // A server that died says nothing, and ICE takes ten seconds to believe it: after a short silence it is asked. If it
  // is gone, or serves another run of the stream than the one that was being watched, the stream is opened anew.
  const SILENCE_MS = 600;
  const ASK_EVERY_MS = 500;
  let heard = { bytes: -1, at: 0, since: 0 };
  let askedAt = 0;
  async function listen() {
    const mine = webrtc;
    if (!mine || (state !== 'live' && state !== 'offline')) return;
    const { bytes } = await window.FIGURES.measure(mine.pc);
    const now = performance.now();
    if (mine !== webrtc) return;
    if (bytes !== heard.bytes) {
      heard = { bytes, at: now, since: info && info.live ? info.since_ms : heard.since };
      if (state === 'live') liveAt = now;
      return;
    }
    if (now - heard.at < SILENCE_MS || now - askedAt < ASK_EVERY_MS) return;
    askedAt = now;
    let current = null;
    try {
      const response = await fetch(figuresUrl, { headers: headers(), cache: 'no-store' });
      if (response.ok) current = await response.json();
    } catch (_) {
      if (mine === webrtc) failed(new Error('the server is gone'));
      return;
    }
    if (mine === webrtc && current && current.live && heard.since && current.since_ms !== heard.since) failed(new Error('the stream began anew'));
  }

  async function poll() {
    clearTimeout(pollTimer);
    pollTimer = setTimeout(poll, state === 'live' ? 2000 : 1000);
    if (state === 'error') return;
    try {
      const response = await fetch(figuresUrl, { headers: headers(), cache: 'no-store' });
      if (response.ok) {
        const before = info;
        info = await response.json();
        $('viewers').textContent = String(info.viewers);
        $('watching').hidden = !info.live;
        if (info.live && !webrtc && !files && state === 'offline' && message === 'offline') {
          if (webrtcWorks && !kept) way = 'webrtc';
          connect();
        }
        if (!before || before.audio_codec !== info.audio_codec) controls.show();
        showQuality();
      }
    } catch (_) {
      info = null;
    }
  }

  // ---- Start ---------------------------------------------------------------------------------------------------

  $('name').textContent = name === 'live' ? 'Tidecast' : name;
  showWords();
  controls.wake();
  connect();
  poll();
  setInterval(() => { everySecond().catch(() => {}); }, 1000);
  setInterval(() => { listen().catch(() => {}); }, 200);
  window.addEventListener('online', () => { if (state !== 'live' && state !== 'error') { attempt = 0; connect(); } });
  window.addEventListener('pagehide', () => { generation += 1; drop(); });
  window.addEventListener('pageshow', (event) => { if (event.persisted) { attempt = 0; connect(); } });
})();
