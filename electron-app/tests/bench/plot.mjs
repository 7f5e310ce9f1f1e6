// Bars as an SVG: one group for each place of the matrix, one bar for each peer. Pure.

const colours = { tidecast: "#0a7ea4", ffmpeg: "#d98c1f", gstreamer: "#7a5ea8", chromium: "#7f8c8d" };
const [bar, gap, group, height, left, top] = [16, 3, 22, 220, 56, 44];

const escaped = (text) => String(text).replace(/[&<>"]/g, (each) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[each]);

/** A round number at or above the highest value, and how many steps lead to it. */
export function axis(highest) {
  const power = 10 ** Math.floor(Math.log10(highest));
  const step = [0.2, 0.5, 1, 2].map((factor) => factor * power).find((each) => highest / each <= 6) ?? 2 * power;
  const steps = Math.max(1, Math.ceil(highest / step - 1e-9));
  return { step, steps, end: step * steps };
}

/** `groups`: `[{ label, bars: { peer: value } }]`; what has no value has no bar. */
export function bars(title, unit, groups) {
  const peers = Object.keys(colours);
  const values = groups.flatMap((each) => Object.values(each.bars)).filter(Number.isFinite);
  const { step, steps, end } = axis(Math.max(...values, Number.MIN_VALUE));
  const wide = peers.length * (bar + gap) + group;
  const width = left + groups.length * wide + 16;
  const y = (value) => top + height * (1 - value / end);
  const text = (x, at, words, more = "") => `<text x="${x}" y="${at}" ${more}>${escaped(words)}</text>`;
  const parts = [text(left, 18, `${title} (${unit})`, 'font-weight="bold"')];
  peers.forEach((peer, index) => {
    parts.push(`<rect x="${left + index * 96}" y="26" width="10" height="10" fill="${colours[peer]}"/>`, text(left + 14 + index * 96, 35, peer));
  });
  for (let index = 0; index <= steps; index += 1) {
    const at = y(index * step).toFixed(1);
    parts.push(`<line x1="${left}" x2="${width - 8}" y1="${at}" y2="${at}" stroke="#ccc"/>`);
    parts.push(text(left - 6, Number(at) + 4, Number((index * step).toPrecision(4)), 'text-anchor="end"'));
  }
  groups.forEach(({ label, bars: found }, place) => {
    const begin = left + place * wide + group / 2;
    peers.forEach((peer, index) => {
      const value = found[peer];
      if (!Number.isFinite(value)) return;
      const x = begin + index * (bar + gap);
      parts.push(`<rect x="${x}" y="${y(value).toFixed(1)}" width="${bar}" height="${(top + height - y(value)).toFixed(1)}" fill="${colours[peer]}"><title>${escaped(`${peer}, ${label}: ${value.toFixed(2)} ${unit}`)}</title></rect>`);
    });
    const middle = begin + (peers.length * (bar + gap)) / 2;
    label.split(" ").forEach((word, line) => parts.push(text(middle, top + height + 16 + line * 14, word, 'text-anchor="middle"')));
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + height + 40}" width="${width}" height="${top + height + 40}" font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}
