// What was recorded: a list, and a player. The token comes in the fragment, as on the viewer's page.
'use strict';

(() => {
  const $ = (id) => document.getElementById(id);
  const video = $('video');
  const token = new URLSearchParams(location.hash.slice(1)).get('token') || '';
  const headers = token ? { Authorization: 'Bearer ' + token } : {};
  const NATIVE = 'application/vnd.apple.mpegurl';

  const WORDS = {
    en: {
      title: 'Recordings', language: '中文', open: 'still recording', none: 'Nothing has been recorded yet.',
      closed: 'This link doesn’t open the recordings. Ask the streamer for a new one.',
      failed: 'The server does not answer. Reload the page to try again.',
      unplayable: 'This recording can’t be played here. Try a current Chrome, Edge, Firefox or Safari.',
    },
    zh: {
      title: '录像', language: 'English', open: '正在录制', none: '还没有录像。',
      closed: '此链接无法打开录像。请向主播索取新的链接。',
      failed: '服务器没有响应。请重新加载页面再试。',
      unplayable: '此录像无法在这里播放。请使用新版 Chrome、Edge、Firefox 或 Safari。',
    },
  };
  const remembered = () => { try { return localStorage.getItem('tidecast.language'); } catch (_) { return null; } };
  const remember = (value) => { try { localStorage.setItem('tidecast.language', value); } catch (_) { /* private window */ } };
  let language = (remembered() || navigator.language || '').startsWith('zh') ? 'zh' : 'en';
  let all = [];
  let said = null;
  let playing = null;
  let hls = null;

  function show() {
    const words = WORDS[language];
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
    $('title').textContent = words.title;
    document.title = words.title + ' · Tidecast';
    $('language').textContent = words.language;
    $('said').textContent = said ? words[said] : '';
    $('list').replaceChildren(...all.map(item));
  }

  function item(recording) {
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-current', String(recording.playlist === playing));
    const began = new Date(recording.began_ms).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB');
    const facts = [recording.open ? WORDS[language].open : clock(recording.duration_ms), size(recording.bytes)];
    if (recording.height) facts.unshift(recording.width + '×' + recording.height);
    const name = document.createElement('b');
    name.textContent = recording.stream + ' · ' + began;
    button.append(name, ...facts.map((fact) => Object.assign(document.createElement('span'), { textContent: fact })));
    button.addEventListener('click', () => play(recording));
    const entry = document.createElement('li');
    entry.append(button);
    return entry;
  }

  function clock(milliseconds) {
    const seconds = Math.round(milliseconds / 1000);
    const two = (number) => String(number).padStart(2, '0');
    return (seconds >= 3600 ? Math.floor(seconds / 3600) + ':' : '') + two(Math.floor(seconds / 60) % 60) + ':' + two(seconds % 60);
  }

  function size(bytes) {
    return bytes >= 1e9 ? (bytes / 1e9).toFixed(1) + ' GB' : (bytes / 1e6).toFixed(1) + ' MB';
  }

  function library() {
    if (window.HLS_JS || !(window.MediaSource || window.ManagedMediaSource)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = '/assets/hls.js';
      script.onload = resolve;
      script.onerror = () => reject(new Error('hls.js did not come'));
      document.head.append(script);
    });
  }

  async function play(recording) {
    playing = recording.playlist;
    said = null;
    $('stage').hidden = false;
    show();
    if (hls) hls.destroy();
    hls = null;
    const fail = () => { said = 'unplayable'; show(); };
    try { await library(); } catch (_) { return fail(); }
    const Hls = window.HLS_JS && window.HLS_JS.default;
    if (Hls && Hls.isSupported()) {
      hls = new Hls({
        enableWorker: false,
        startPosition: 0,
        xhrSetup: (request) => { if (token) request.setRequestHeader('Authorization', 'Bearer ' + token); },
      });
      hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) fail(); });
      hls.loadSource(recording.playlist);
      hls.attachMedia(video);
    } else if (video.canPlayType(NATIVE)) {
      video.src = recording.playlist + (token ? '?token=' + encodeURIComponent(token) : '');
      video.onerror = fail;
    } else return fail();
    video.play().catch(() => { /* The controls are there. */ });
  }

  async function load() {
    try {
      const answer = await fetch('/api/v1/recordings', { headers });
      if (!answer.ok) throw answer.status;
      all = (await answer.json()).sort((one, other) => other.began_ms - one.began_ms);
      // Streams that need a token are left out of the list for who has none.
      said = all.length ? null : 'none';
    } catch (status) {
      said = status === 401 || status === 429 ? 'closed' : 'failed';
    }
    show();
  }

  $('language').addEventListener('click', () => {
    language = language === 'zh' ? 'en' : 'zh';
    remember(language);
    show();
  });
  window.addEventListener('hashchange', () => location.reload());
  show();
  load();
})();
