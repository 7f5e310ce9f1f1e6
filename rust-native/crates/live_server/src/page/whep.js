// The first way to the picture: WHEP over WebRTC. One session; what follows when it fails is the page's to decide.
'use strict';

window.WHEP = (() => {
  /** ICE takes half a minute to give up; who waits that long for a picture has gone. */
  const CONNECTS_WITHIN_MS = 6000;
  /** A connection that is lost for a moment comes back by itself. */
  const COMES_BACK_WITHIN_MS = 3000;
  const ANSWERS_WITHIN_MS = 10000;

  /** What no second try will change; `reason` says which. */
  const hopeless = (text, reason) => Object.assign(new Error(text), { hopeless: true, reason });

  /** The connection that was there, or was to be, is not: unlike a server that can't be asked. */
  const broken = (text) => Object.assign(new Error(text), { transport: true });

  /** Decoders give two channels only to who asks (RFC 7587 §6.1). */
  function withStereo(sdp) {
    const opus = /a=rtpmap:(\d+) opus\/48000/i.exec(sdp);
    return opus ? sdp.replace('a=fmtp:' + opus[1] + ' ', 'a=fmtp:' + opus[1] + ' stereo=1;') : sdp;
  }

  /**
   * Opens a session and plays it. Until `stop`, `failed` is told of what goes wrong, by an error that carries `status` and
   * `retryAfter` (seconds) of a server that refused, or `transport`, or `hopeless`. `quality` is asked for.
   * Gives `{ pc, choose, second, stop }`; throws where the browser has no WebRTC.
   */
  function start({ video, endpoint, quality, headers, log, play, failed }) {
    if (typeof RTCPeerConnection !== 'function') throw hopeless('no WebRTC');
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const media = new MediaStream();
    let session = null;
    let pace = window.STEADY.start();
    /** What the server was asked to tell the player of buffering, by what it does at first; null: asked, and not answered. */
    let buffering = 'auto';
    /** Where another quality is asked for (the `Link` header's). */
    let layer = null;
    let wanted = quality;
    let stopped = false;
    const fail = (error) => { if (!stopped) failed(error); };
    const end = (url) => {
      if (url) fetch(url, { method: 'DELETE', headers: headers(), keepalive: true }).catch(() => {});
    };

    pc.addTransceiver('audio', { direction: 'recvonly' });
    pc.addTransceiver('video', { direction: 'recvonly' });
    pc.ontrack = ({ track, receiver }) => {
      window.STEADY.apply(receiver, pace.buffer);
      media.addTrack(track);
      if (video.srcObject !== media) video.srcObject = media;
      play();
    };
    pc.onconnectionstatechange = () => {
      const state = pc.connectionState;
      log('transport: ' + state);
      if (state === 'failed' || state === 'closed') fail(broken('transport ' + state));
      if (state === 'disconnected') {
        setTimeout(() => pc.connectionState === 'disconnected' && fail(broken('transport lost')), COMES_BACK_WITHIN_MS);
      }
    };

    async function post(sdp) {
      const controller = typeof AbortController === 'function' ? new AbortController() : null;
      const limit = setTimeout(() => controller && controller.abort(), ANSWERS_WITHIN_MS);
      try {
        return await fetch(endpoint + '?quality=' + encodeURIComponent(wanted), {
          method: 'POST',
          headers: headers({ 'Content-Type': 'application/sdp' }),
          body: sdp,
          cache: 'no-store',
          signal: controller ? controller.signal : undefined,
        });
      } finally {
        clearTimeout(limit);
      }
    }

    async function open() {
      const asked = wanted;
      const offer = await pc.createOffer();
      offer.sdp = withStereo(offer.sdp);
      if (!/a=rtpmap:\d+ H264\//i.test(offer.sdp)) throw hopeless('no H.264 over WebRTC', 'codec');
      await pc.setLocalDescription(offer);
      // The server is reached at the addresses in its answer; it needs none of ours, so nothing is waited for.
      const response = await post(pc.localDescription.sdp);
      const place = response.headers.get('Location');
      const opened = response.status === 201 && place ? new URL(place, location.href).href : null;
      if (stopped) {
        end(opened);
        return;
      }
      if (!opened) {
        const retryAfter = Number(response.headers.get('Retry-After')) || 0;
        throw Object.assign(new Error('HTTP ' + response.status), { status: response.status, retryAfter });
      }
      session = opened;
      const link = /<([^>]+)>; rel="urn:ietf:params:whep:ext:core:layer"/.exec(response.headers.get('Link') || '');
      layer = link && new URL(link[1], location.href).href;
      if (wanted !== asked) choose(wanted);
      await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
      setTimeout(() => pc.connectionState !== 'connected' && fail(hopeless('no way for WebRTC')), CONNECTS_WITHIN_MS);
    }

    /** Another quality, from its next keyframe on; the picture goes on meanwhile. */
    function choose(name) {
      wanted = name;
      return ask();
    }

    /** Says again what is wanted of the session. */
    async function ask(buffer = buffering || 'auto') {
      if (!layer) return;
      buffering = buffer;
      const body = JSON.stringify({ encodingId: wanted, buffer });
      try {
        const response = await fetch(layer, { method: 'POST', headers: headers({ 'Content-Type': 'application/json' }), body });
        const answer = await response.json();
        log('quality: ' + (response.ok ? answer.wanted : answer.code));
      } catch (_) {
        log('quality: no answer');
        buffering = null;
      }
    }

    /** A second of figures (`FIGURES.measure`) went by. */
    function second(before, now) {
      const { buffer } = pace;
      const [repairs, pictures] = [now.repairs - before.repairs, now.frames - before.frames];
      pace = window.STEADY.second(pace, { jitter: now.jitter * 1000, repairs, pictures });
      // Sound is played a tenth of a second late, and the picture is to be in step with it, from its first packet on. What
      // the player is told with the packets stands above what the page asks of it.
      const wish = now.sounds > 0 || pace.buffer > 0 ? 'auto' : 'none';
      if (wish !== buffering) ask(wish);
      if (pace.buffer === buffer) return;
      log('buffer: ' + Math.round(pace.buffer) + ' ms');
      for (const receiver of pc.getReceivers()) window.STEADY.apply(receiver, pace.buffer);
    }

    function stop() {
      stopped = true;
      pc.ontrack = pc.onconnectionstatechange = null;
      pc.close();
      end(session);
      session = null;
    }

    open().catch(fail);
    return { pc, choose, second, stop };
  }

  return { start };
})();
