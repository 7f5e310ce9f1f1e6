// The second way to the picture: LL-HLS, where WebRTC can't get through. hls.js plays it where there are media source
// extensions; where there are none (iPhone) the browser plays HLS itself.
'use strict';

window.FILES = (() => {
  const NATIVE = 'application/vnd.apple.mpegurl';
  let loading = null;

  /** hls.js is fetched only when it is needed. */
  function library() {
    loading = loading || new Promise((resolve, reject) => {
      if (!window.MediaSource && !window.ManagedMediaSource) {
        resolve(null);
        return;
      }
      const script = document.createElement('script');
      script.src = '/assets/hls.js';
      script.onload = () => resolve(window.HLS_JS.default);
      script.onerror = () => { loading = null; reject(new Error('hls.js did not come')); };
      document.head.append(script);
    });
    return loading;
  }

  function possible(video) {
    return Boolean(window.MediaSource || window.ManagedMediaSource || video.canPlayType(NATIVE));
  }

  /**
   * Plays a stream. `failed` is told once, with what went wrong, when there is nothing more to try here.
   * `quality` is what is to be seen. Gives `{ stop, figures, catchUp, choose, choosable }`.
   */
  async function start({ video, name, token, quality, failed, log, play }) {
    const Hls = await library();
    const address = '/hls/' + encodeURIComponent(name) + '/index.m3u8';
    const counts = { bytes: 0, lost: 0 };
    let stopped = false;
    let wanted = quality;
    const fail = (text, status) => {
      if (stopped) return;
      stopped = true;
      // A stream that isn't live has no playlist.
      failed(Object.assign(new Error(text), { status: status === 404 ? 409 : status }));
    };
    let hls = null;
    video.srcObject = null;
    if (Hls && Hls.isSupported()) {
      hls = new Hls({
        lowLatencyMode: true,
        // The page's policy lets no worker in, and one stream needs none.
        enableWorker: false,
        backBufferLength: 10,
        // Who fell a little behind catches up by playing a little faster. The distance itself is the server's to say
        // (PART-HOLD-BACK): a setting of ours would take its place.
        maxLiveSyncPlaybackRate: 1.05,
        xhrSetup: (request) => { if (token) request.setRequestHeader('Authorization', 'Bearer ' + token); },
      });
      const { Events, ErrorTypes } = Hls;
      hls.on(Events.FRAG_LOADED, (_, data) => { counts.bytes += data.part ? 0 : data.frag.stats.total; });
      hls.on(Events.BUFFER_APPENDED, () => { if (video.paused) play(); });
      hls.on(Events.ERROR, (_, data) => {
        if (!data.fatal) return;
        const status = (data.response && data.response.code) || 0;
        log('hls: ' + data.details + (status ? ' ' + status : ''));
        if (data.type === ErrorTypes.MEDIA_ERROR && counts.lost < 2) {
          counts.lost += 1;
          hls.recoverMediaError();
        } else fail('hls: ' + data.details, status);
      });
      // Begun with the source, unless something else was chosen: who reads a rendition has it made.
      hls.on(Events.MANIFEST_PARSED, () => {
        const level = levelOf(quality);
        hls.startLevel = level < 0 ? levelOf('source') : level;
        if (level >= 0) hls.loadLevel = level;
      });
      hls.loadSource(address);
      hls.attachMedia(video);
    } else {
      video.src = address + (token ? '?token=' + encodeURIComponent(token) : '');
      video.onerror = () => fail('hls: the browser can’t play it', 0);
      play();
    }

    /** A quality's level; -1 for none, which is hls.js's own choice. */
    function levelOf(name) {
      const file = (name === 'source' ? 'video' : name) + '.m3u8';
      return hls.levels.findIndex((level) => new URL(level.uri, location.href).pathname.endsWith('/' + file));
    }

    /** Another quality from the next segment on. A rendition is made only once it is read: its list is waited for while
     *  the present one plays on, as hls.js would wait with an empty hand. */
    async function choose(name) {
      if (!hls) return;
      wanted = name;
      log('quality: ' + name);
      const level = levelOf(name);
      if (level >= 0 && level !== hls.loadLevel) {
        const headers = token ? { Authorization: 'Bearer ' + token } : {};
        const answer = await fetch(hls.levels[level].uri, { headers, cache: 'no-store' }).catch(() => null);
        if (stopped || wanted !== name) return;
        if (!answer || !answer.ok) {
          log('quality: ' + (answer ? answer.status : 'no answer'));
          return;
        }
      }
      hls.loadLevel = level;
    }

    /** The sums so far; `delay` in milliseconds, where it is known. */
    function figures() {
      const quality = video.getVideoPlaybackQuality ? video.getVideoPlaybackQuality() : { totalVideoFrames: 0, droppedVideoFrames: 0 };
      const level = hls && hls.levels[Math.max(0, hls.currentLevel)];
      return {
        at: performance.now(),
        position: video.currentTime,
        frames: quality.totalVideoFrames - quality.droppedVideoFrames,
        width: video.videoWidth,
        height: video.videoHeight,
        kbps: level ? level.bitrate / 1000 : null,
        // From the wall clock in the playlist, where both machines' clocks agree; else from the playlist's end.
        delay: hls ? delayOf(hls) : null,
        low: Boolean(hls && hls.latestLevelDetails && hls.latestLevelDetails.partList),
      };
    }

    /** Who fell far behind, by a pause or a bad line, goes on at the live edge. */
    const FAR_BEHIND = 12;
    function catchUp() {
      if (hls && !video.paused && hls.latency > FAR_BEHIND && hls.liveSyncPosition) video.currentTime = hls.liveSyncPosition;
    }

    function delayOf(player) {
      const at = player.playingDate;
      const byClock = at ? Date.now() - at.getTime() : -1;
      const byList = player.latency * 1000;
      if (byClock > 0 && byClock < 60000) return byClock;
      return byList > 0 && byList < 60000 ? byList : null;
    }

    function stop() {
      stopped = true;
      if (hls) hls.destroy();
      video.onerror = null;
      video.removeAttribute('src');
      video.load();
    }

    return { stop, figures, catchUp, choose, choosable: Boolean(hls) };
  }

  return { possible, start };
})();
