// The viewer: WHEP in, a picture out; LL-HLS where WebRTC can't get through. Plain script, no build, no other host.
// Runs in Chromium 83 and up.
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

  // ---- Words ---------------------------------------------------------------------------------------------------

  const remembered = (key) => { try { return localStorage.getItem(key); } catch (_) { return null; } };
  const remember = (key, value) => { try { localStorage.setItem(key, value); } catch (_) { /* private window */ } };
  let language = remembered('tidecast.language') || (/^zh/i.test(navigator.language || '') ? 'zh' : 'en');
  if (language !== 'zh') language = 'en';
  const word = (key) => window.WORDS[language][key];

  function showWords() {
    root.lang = language === 'zh' ? 'zh-CN' : 'en';
    for (const element of document.querySelectorAll('[data-word]')) element.textContent = word(element.dataset.word);
    $('language').textContent = word('language');
    $('language').title = word('languageHint');
    $('volume').setAttribute('aria-label', word('volume'));
    $('delay-tile').title = word('delayHint');
    $('path-tile').title = word('pathHint');
    document.title = name + ' · ' + word('title');
    showState();
    showControls();
  }

  // ---- Log -----------------------------------------------------------------------------------------------------

  const MOST_LINES = 200;
  function log(text) {
    const line = document.createElement('li');
    const time = document.createElement('time');
    time.textContent = new Date().toTimeString().slice(0, 8);
    line.append(time, text);
    const list = $('log');
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 24;
    list.append(line);
    while (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
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
    showControls();
  }

  // ---- Connection ----------------------------------------------------------------------------------------------

  let peer = null;
  let session = null;
  let attempt = 0;
  let timer = 0;
  let generation = 0;
  let info = null;
  /** The player of the second way, while it is taken. */
  let files = null;
  /** `?path=webrtc` or `?path=hls` keeps to one of them. */
  const kept = /^(webrtc|hls)$/.test(query.get('path') || '') ? query.get('path') : null;
  let way = kept || 'webrtc';
  /** Tries in a row of the present way that brought no picture, and for which the way itself may be to blame. */
  let fruitless = 0;

  class Refused extends Error {
    constructor(status, retryAfter) {
      super('HTTP ' + status);
      this.status = status;
      this.retryAfter = retryAfter;
    }
  }

  async function connect() {
    const mine = ++generation;
    clearTimeout(timer);
    drop();
    if (state === 'error') setState('connecting', 'connecting');
    try {
      if (way === 'hls') await openFiles(mine);
      else await open(mine);
    } catch (error) {
      if (mine === generation) failed(error);
    }
  }

  async function openFiles(mine) {
    // A stream that isn't live has no playlist.
    const status = (error) => (error.status === 404 ? 409 : error.status);
    const failing = (error) => { if (mine === generation) failed(error.status ? new Refused(status(error), 0) : error); };
    const started = await window.FILES.start({ video, name, token, log, play, failed: failing });
    if (mine !== generation) {
      started.stop();
      return;
    }
    files = started;
    last = null;
  }

  /** ICE takes half a minute to give up; who waits that long for a picture has gone. */
  const CONNECTS_WITHIN_MS = 6000;

  async function open(mine) {
    if (typeof RTCPeerConnection !== 'function') {
      fruitless = 2;
      throw new Error('no WebRTC');
    }
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    peer = pc;
    const media = new MediaStream();
    pc.addTransceiver('audio', { direction: 'recvonly' });
    pc.addTransceiver('video', { direction: 'recvonly' });
    pc.ontrack = ({ track, receiver }) => {
      // As little buffering as the browser dares: the newer name, then the older ones.
      if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
      else if ('playoutDelayHint' in receiver) receiver.playoutDelayHint = 0;
      else if ('jitterBufferDelayHint' in receiver) receiver.jitterBufferDelayHint = 0;
      media.addTrack(track);
      if (video.srcObject !== media) video.srcObject = media;
      play();
    };
    pc.onconnectionstatechange = () => {
      if (mine !== generation) return;
      log('transport: ' + pc.connectionState);
      if (pc.connectionState === 'failed' || pc.connectionState === 'closed') failed(new Error('transport ' + pc.connectionState));
      if (pc.connectionState === 'disconnected') {
        setTimeout(() => mine === generation && pc.connectionState === 'disconnected' && failed(new Error('transport lost')), 3000);
      }
    };
    const offer = await pc.createOffer();
    offer.sdp = withStereo(offer.sdp);
    if (!/a=rtpmap:\d+ H264\//i.test(offer.sdp)) {
      drop();
      if (kept || !window.FILES.possible(video)) {
        setState('error', 'codec');
        return;
      }
      fruitless = 2;
      throw new Error('no H.264 over WebRTC');
    }
    await pc.setLocalDescription(offer);
    // The server is reached at the addresses in its answer; it needs none of ours, so nothing is waited for.
    const controller = typeof AbortController === 'function' ? new AbortController() : null;
    const limit = setTimeout(() => controller && controller.abort(), 10000);
    let response;
    try {
      response = await fetch(endpoint, {
        method: 'POST',
        headers: headers({ 'Content-Type': 'application/sdp' }),
        body: pc.localDescription.sdp,
        cache: 'no-store',
        signal: controller ? controller.signal : undefined,
      });
    } finally {
      clearTimeout(limit);
    }
    const place = response.headers.get('Location');
    const opened = response.status === 201 && place ? new URL(place, location.href).href : null;
    if (mine !== generation) {
      end(opened);
      return;
    }
    if (!opened) throw new Refused(response.status, Number(response.headers.get('Retry-After')) || 0);
    session = opened;
    await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    setTimeout(() => {
      if (mine !== generation || pc !== peer || pc.connectionState === 'connected') return;
      // Nothing of it is likely to get through another time.
      fruitless = 2;
      failed(new Error('no way for WebRTC'));
    }, CONNECTS_WITHIN_MS);
  }

  /** Decoders give two channels only to who asks (RFC 7587 §6.1). */
  function withStereo(sdp) {
    const opus = /a=rtpmap:(\d+) opus\/48000/i.exec(sdp);
    return opus ? sdp.replace('a=fmtp:' + opus[1] + ' ', 'a=fmtp:' + opus[1] + ' stereo=1;') : sdp;
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
    const status = error instanceof Refused ? error.status : 0;
    // Who was refused is refused on both ways; a full server may have room on the other one.
    if (status === 0 || status === 503) fruitless += 1;
    if (fruitless >= 2 && !kept && window.FILES.possible(video)) {
      fruitless = 0;
      way = way === 'webrtc' ? 'hls' : 'webrtc';
      log(way === 'hls' ? 'WebRTC does not get through: LL-HLS' : 'back to WebRTC');
      wait = Math.min(wait, 500);
    }
    if (status) log('server: ' + status);
    else log(String((error && error.message) || error));
    if (status === 401 || status === 403) {
      setState('error', 'token');
      return;
    }
    if (status === 404 || status === 409) {
      setState('offline', status === 404 ? 'missing' : 'offline');
      // The figures say sooner, and for less, that the stream has started.
      if (!lately) wait = Math.max(5000, error.retryAfter * 1000);
    } else if (status === 429 || status === 503) {
      setState('offline', 'full');
      wait = Math.max(wait, (error.retryAfter || 5) * 1000);
    } else {
      setState('connecting', 'lost');
    }
    clearTimeout(timer);
    timer = setTimeout(connect, wait * (0.85 + Math.random() * 0.3));
  }

  function drop() {
    const pc = peer;
    peer = null;
    if (files) {
      files.stop();
      files = null;
    }
    if (pc) {
      pc.ontrack = pc.onconnectionstatechange = null;
      pc.close();
    }
    end(session);
    session = null;
    last = null;
    stalled = stalledLive = 0;
    showFigures(null);
  }

  function end(url) {
    if (url) fetch(url, { method: 'DELETE', headers: headers(), keepalive: true }).catch(() => {});
  }

  // ---- Picture and sound ---------------------------------------------------------------------------------------

  let wantsPlay = true;

  function play() {
    const started = video.play();
    if (started) {
      started.catch((error) => {
        if (error.name === 'NotAllowedError' && !video.muted) {
          video.muted = true;
          play();
        } else if (error.name === 'NotAllowedError') {
          wantsPlay = false;
          showControls();
        }
      });
    }
  }

  /** A picture (or, without one, sound) is there. */
  function pictured() {
    if (!peer && !files) return;
    attempt = 0;
    fruitless = 0;
    setState('live', 'live');
  }
  video.addEventListener('playing', () => { if (video.videoWidth > 0) pictured(); });
  video.addEventListener('resize', () => { if (video.videoWidth > 0 && !video.paused) pictured(); });

  const setMuted = (muted) => {
    video.muted = muted;
    if (!muted && video.volume === 0) video.volume = 1;
    if (video.paused && wantsPlay) play();
    showControls();
  };
  const togglePlay = () => {
    wantsPlay = video.paused;
    if (wantsPlay) play();
    else video.pause();
    showControls();
  };
  const toggleFull = () => {
    const element = document.fullscreenElement || document.webkitFullscreenElement;
    if (element) (document.exitFullscreen || document.webkitExitFullscreen).call(document);
    else if (stage.requestFullscreen) stage.requestFullscreen().catch(() => {});
    else if (stage.webkitRequestFullscreen) stage.webkitRequestFullscreen();
    else if (video.webkitEnterFullscreen) video.webkitEnterFullscreen();
  };
  const setVolume = (volume) => {
    video.volume = Math.min(1, Math.max(0, volume));
    remember('tidecast.volume', String(video.volume));
    setMuted(video.volume === 0);
  };

  function label(id, key) {
    $(id).title = word(key);
    $(id).setAttribute('aria-label', word(key));
  }
  function showControls() {
    const full = Boolean(document.fullscreenElement || document.webkitFullscreenElement);
    const silent = Boolean(info && info.live && !info.audio_codec);
    stage.classList.toggle('paused', video.paused);
    stage.classList.toggle('muted', video.muted);
    stage.classList.toggle('full', full);
    stage.classList.toggle('silent', silent);
    root.dataset.sound = video.muted ? 'muted' : 'on';
    label('play', video.paused ? 'play' : 'pause');
    label('mute', video.muted ? 'unmute' : 'mute');
    label('full', full ? 'leaveFullscreen' : 'fullscreen');
    $('volume').value = String(video.muted ? 0 : Math.round(video.volume * 100));
    const blocked = !wantsPlay && video.paused;
    $('unmute').hidden = state !== 'live' || !video.muted || silent || blocked || touched;
    $('unmute').querySelector('span').textContent = word('tapForSound');
  }
  let touched = false;

  $('unmute').addEventListener('click', () => { setMuted(false); stage.focus(); });
  $('play').addEventListener('click', togglePlay);
  $('mute').addEventListener('click', () => { touched = true; setMuted(!video.muted); });
  $('full').addEventListener('click', toggleFull);
  $('volume').addEventListener('input', (event) => { touched = true; setVolume(event.target.value / 100); });
  $('again').addEventListener('click', () => { attempt = 0; connect(); });
  $('language').addEventListener('click', () => {
    language = language === 'zh' ? 'en' : 'zh';
    remember('tidecast.language', language);
    showWords();
  });
  $('copy').addEventListener('click', () => {
    const text = Array.from($('log').children, (line) => line.firstChild.textContent + ' ' + line.lastChild.textContent).join('\n');
    const done = () => {
      $('copy').textContent = word('copied');
      setTimeout(() => { $('copy').textContent = word('copyLog'); }, 1500);
    };
    // The clipboard API is for secure pages only; over plain HTTP on a home network the text is selected instead.
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, () => {});
    else {
      const range = document.createRange();
      range.selectNodeContents($('log'));
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      if (document.execCommand('copy')) done();
    }
  });
  for (const event of ['play', 'pause', 'volumechange']) video.addEventListener(event, showControls);
  for (const event of ['fullscreenchange', 'webkitfullscreenchange']) document.addEventListener(event, showControls);
  video.addEventListener('click', () => (matchMedia('(hover: none)').matches ? wake() : togglePlay()));
  video.addEventListener('dblclick', toggleFull);

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target;
    const onButton = target.tagName === 'BUTTON' || target.tagName === 'SUMMARY' || target.tagName === 'INPUT';
    const key = event.key.toLowerCase();
    if ((key === ' ' && !onButton) || key === 'k') togglePlay();
    else if (key === 'm') { touched = true; setMuted(!video.muted); }
    else if (key === 'f') toggleFull();
    else if (key === 'arrowup' && target.tagName !== 'INPUT' && stageHasFocus(target)) setVolume((video.muted ? 0 : video.volume) + 0.1);
    else if (key === 'arrowdown' && target.tagName !== 'INPUT' && stageHasFocus(target)) setVolume((video.muted ? 0 : video.volume) - 0.1);
    else return;
    event.preventDefault();
    wake();
  });
  const stageHasFocus = (target) => target === document.body || stage.contains(target);

  // The controls go away when the hand rests.
  let rest = 0;
  function wake() {
    stage.classList.remove('idle');
    clearTimeout(rest);
    rest = setTimeout(() => { if (!video.paused && state === 'live') stage.classList.add('idle'); }, 2800);
  }
  for (const event of ['mousemove', 'touchstart', 'focusin']) stage.addEventListener(event, wake, { passive: true });
  stage.addEventListener('mouseleave', () => { if (!video.paused && state === 'live') stage.classList.add('idle'); });

  // ---- Figures -------------------------------------------------------------------------------------------------

  let last = null;
  let stalled = 0;
  let stalledLive = 0;
  let pollTimer = 0;

  function figure(id, value, unit) {
    const element = $(id);
    element.textContent = value;
    if (unit) {
      const small = document.createElement('small');
      small.textContent = unit;
      element.append(small);
    }
  }

  function showFigures(figures) {
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

  /**
   * Sound that was not played in time (the speakers stood still, the machine is crowded) is made up for by a few hundredths
   * only, and the picture waits for it: who stays this far behind joins anew, which takes a fraction of a second.
   */
  const BEHIND_MS = 1000;
  const BEHIND_SECONDS = 4;
  const JOINS_ANEW_EVERY_MS = 60000;
  let behind = 0;
  let joinedAnewAt = -Infinity;
  function fellBehind(backlog) {
    behind = backlog > BEHIND_MS ? behind + 1 : 0;
    const now = performance.now();
    if (behind < BEHIND_SECONDS || now - joinedAnewAt < JOINS_ANEW_EVERY_MS) return false;
    behind = 0;
    joinedAnewAt = now;
    return true;
  }

  async function everySecond() {
    const pc = peer;
    if (files) watchFiles();
    if (pc && pc.connectionState === 'connected') {
      const now = await window.FIGURES.measure(pc);
      if (pc !== peer) return;
      const before = last;
      last = now;
      if (before) {
        const seconds = (now.at - before.at) / 1000;
        const packets = now.received - before.received;
        const lost = Math.max(0, now.lost - before.lost);
        watch(now.bytes - before.bytes, now.frames - before.frames);
        if (pc !== peer) return;
        if (fellBehind(window.FIGURES.backlog(before, now))) {
          log('the sound fell behind: back to the live edge');
          connect();
          return;
        }
        showFigures({
          path: 'WebRTC',
          size: now.width && now.height ? now.width + ' × ' + now.height : null,
          fps: now.frames ? (now.frames - before.frames) / seconds : null,
          kbps: ((now.bytes - before.bytes) * 8) / 1000 / seconds,
          delay: window.FIGURES.delay(before, now, info ? info.publisher_rtt_ms : null),
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
    const pc = peer;
    if (!pc || (state !== 'live' && state !== 'offline')) return;
    const { bytes } = await window.FIGURES.measure(pc);
    const now = performance.now();
    if (pc !== peer) return;
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
      if (pc === peer) failed(new Error('the server is gone'));
      return;
    }
    if (pc === peer && current && current.live && heard.since && current.since_ms !== heard.since) failed(new Error('the stream began anew'));
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
        if (info.live && !peer && !files && state === 'offline' && message === 'offline') connect();
        if (!before || before.audio_codec !== info.audio_codec) showControls();
      }
    } catch (_) {
      info = null;
    }
  }

  // ---- Start ---------------------------------------------------------------------------------------------------

  const volume = Number(remembered('tidecast.volume'));
  if (volume > 0 && volume <= 1) video.volume = volume;
  $('name').textContent = name === 'live' ? 'Tidecast' : name;
  showWords();
  wake();
  connect();
  poll();
  setInterval(() => { everySecond().catch(() => {}); }, 1000);
  setInterval(() => { listen().catch(() => {}); }, 200);
  window.addEventListener('online', () => { if (state !== 'live' && state !== 'error') { attempt = 0; connect(); } });
  window.addEventListener('pagehide', () => { generation += 1; drop(); });
  window.addEventListener('pageshow', (event) => { if (event.persisted) { attempt = 0; connect(); } });
})();
