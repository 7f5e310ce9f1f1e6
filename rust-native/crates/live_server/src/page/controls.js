// Play, sound and full screen: by buttons, keys and touch, over the picture.
'use strict';

/**
 * `word` gives a text in the language of the page, `isLive` and `isSilent` (no sound track) the state of the stream,
 * `remembered` and `remember` keep the volume. Gives `{ play, show, wake }`; `show` draws what has changed.
 */
window.CONTROLS = ({ video, stage, word, isLive, isSilent, remembered, remember }) => {
  const $ = (id) => document.getElementById(id);
  let wantsPlay = true;
  /** Who has touched the sound needs no hint that it is off. */
  let touched = false;

  function play() {
    const started = video.play();
    if (started) {
      started.catch((error) => {
        if (error.name === 'NotAllowedError' && !video.muted) {
          video.muted = true;
          play();
        } else if (error.name === 'NotAllowedError') {
          wantsPlay = false;
          show();
        }
      });
    }
  }

  const setMuted = (muted) => {
    video.muted = muted;
    if (!muted && video.volume === 0) video.volume = 1;
    if (video.paused && wantsPlay) play();
    show();
  };
  const togglePlay = () => {
    wantsPlay = video.paused;
    if (wantsPlay) play();
    else video.pause();
    show();
  };
  const fullElement = () => document.fullscreenElement || document.webkitFullscreenElement;
  const toggleFull = () => {
    if (fullElement()) (document.exitFullscreen || document.webkitExitFullscreen).call(document);
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
  function show() {
    const full = Boolean(fullElement());
    const silent = isSilent();
    stage.classList.toggle('paused', video.paused);
    stage.classList.toggle('muted', video.muted);
    stage.classList.toggle('full', full);
    stage.classList.toggle('silent', silent);
    document.documentElement.dataset.sound = video.muted ? 'muted' : 'on';
    label('play', video.paused ? 'play' : 'pause');
    label('mute', video.muted ? 'unmute' : 'mute');
    label('full', full ? 'leaveFullscreen' : 'fullscreen');
    $('volume').value = String(video.muted ? 0 : Math.round(video.volume * 100));
    const blocked = !wantsPlay && video.paused;
    $('unmute').hidden = !isLive() || !video.muted || silent || blocked || touched;
    $('unmute').querySelector('span').textContent = word('tapForSound');
  }

  $('unmute').addEventListener('click', () => { setMuted(false); stage.focus(); });
  $('play').addEventListener('click', togglePlay);
  $('mute').addEventListener('click', () => { touched = true; setMuted(!video.muted); });
  $('full').addEventListener('click', toggleFull);
  $('volume').addEventListener('input', (event) => { touched = true; setVolume(event.target.value / 100); });
  for (const event of ['play', 'pause', 'volumechange']) video.addEventListener(event, show);
  for (const event of ['fullscreenchange', 'webkitfullscreenchange']) document.addEventListener(event, show);
  video.addEventListener('click', () => (matchMedia('(hover: none)').matches ? wake() : togglePlay()));
  video.addEventListener('dblclick', toggleFull);

  const stageHasFocus = (target) => target === document.body || stage.contains(target);
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target;
    const onButton = target.tagName === 'BUTTON' || target.tagName === 'SUMMARY' || target.tagName === 'INPUT';
    const forVolume = target.tagName !== 'INPUT' && stageHasFocus(target);
    const key = event.key.toLowerCase();
    if ((key === ' ' && !onButton) || key === 'k') togglePlay();
    else if (key === 'm') { touched = true; setMuted(!video.muted); }
    else if (key === 'f') toggleFull();
    else if (key === 'arrowup' && forVolume) setVolume((video.muted ? 0 : video.volume) + 0.1);
    else if (key === 'arrowdown' && forVolume) setVolume((video.muted ? 0 : video.volume) - 0.1);
    else return;
    event.preventDefault();
    wake();
  });

  // The controls go away when the hand rests.
  let rest = 0;
  const hide = () => { if (!video.paused && isLive()) stage.classList.add('idle'); };
  function wake() {
    stage.classList.remove('idle');
    clearTimeout(rest);
    rest = setTimeout(hide, 2800);
  }
  for (const event of ['mousemove', 'touchstart', 'focusin']) stage.addEventListener(event, wake, { passive: true });
  stage.addEventListener('mouseleave', hide);

  const volume = Number(remembered('tidecast.volume'));
  if (volume > 0 && volume <= 1) video.volume = volume;
  return { play, show, wake };
};
