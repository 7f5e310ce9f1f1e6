// The choice of quality: what this line carries, what the streamer sends, or one of the stream's smaller renditions.
// It is remembered, and there only where there is a choice.
'use strict';

/**
 * `word` gives a text in the language of the page, `remembered` and `remember` keep the choice, `chosen` is told of
 * another one. Gives `{ wanted, show }`.
 */
window.QUALITY = ({ word, remembered, remember, chosen }) => {
  const KEY = 'tidecast.quality';
  const select = document.getElementById('quality');
  let wanted = remembered(KEY) || 'auto';
  if (!/^(auto|source|\d+p)$/.test(wanted)) wanted = 'auto';
  let shown = '';

  select.addEventListener('change', () => {
    wanted = select.value;
    remember(KEY, wanted);
    chosen(wanted);
  });

  /** A rendition's picture, in words: `1080p`, by the shorter side. */
  const size = (rendition) => Math.min(rendition.width, rendition.height) + 'p';

  /**
   * Draws what has changed: `renditions` of `/api/v1/streams`, the picture's present size, and whether the present way
   * lets the viewer choose.
   */
  function show({ renditions, width, height, possible }) {
    const offered = (renditions || []).filter((rendition) => rendition.state !== 'unavailable');
    const present = offered.find((rendition) => rendition.width === width && rendition.height === height);
    const options = [['auto', word('qualityAuto') + (present ? ' · ' + size(present) : '')]];
    for (const rendition of offered) {
      const source = rendition.name === 'source';
      options.push([rendition.name, source ? word('qualitySource') + ' · ' + size(rendition) : rendition.name]);
    }
    // What is not to be had now counts again when it is.
    const value = options.some(([name]) => name === wanted) ? wanted : 'auto';
    const label = word('quality');
    const state = JSON.stringify([options, value, label, possible]);
    // Drawn anew, an open list would close.
    if (state === shown || select.dataset.open) return;
    shown = state;
    select.parentElement.hidden = !possible || options.length < 3;
    select.title = label;
    select.setAttribute('aria-label', label);
    select.textContent = '';
    for (const [name, text] of options) select.append(new Option(text, name, false, name === value));
  }

  // There is no event for a list that opens and closes: from the press on until something is chosen or left.
  for (const event of ['mousedown', 'touchstart', 'keydown']) {
    select.addEventListener(event, () => { select.dataset.open = 'yes'; }, { passive: true });
  }
  for (const event of ['change', 'blur']) select.addEventListener(event, () => { delete select.dataset.open; });

  return { wanted: () => wanted, show };
};
