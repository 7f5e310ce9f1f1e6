// What happened, for who asks a friend for help: the panel below the picture.
'use strict';

window.LOG = (() => {
  const MOST_LINES = 200;
  const list = document.getElementById('log');

  function add(text) {
    const line = document.createElement('li');
    const time = document.createElement('time');
    time.textContent = new Date().toTimeString().slice(0, 8);
    line.append(time, text);
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 24;
    list.append(line);
    while (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  /** Copies all of it; `done` is called when it is copied. */
  function copy(done) {
    const text = Array.from(list.children, (line) => line.firstChild.textContent + ' ' + line.lastChild.textContent).join('\n');
    // The clipboard API is for secure pages only; over plain HTTP on a home network the text is selected instead.
    if (navigator.clipboard) {
      navigator.clipboard.writeText(text).then(done, () => {});
      return;
    }
    const range = document.createRange();
    range.selectNodeContents(list);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    if (document.execCommand('copy')) done();
  }

  return { add, copy };
})();
