// The lines over the maps: the thread that is followed, in the accent, and every vote, as thick as its weight.

import { signed, two } from "./colours.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 200; // votes that get a line of their own
const svg = (tag, props = {}) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  return node;
};

export function threads() {
  const node = svg("svg", { class: "threads", "aria-hidden": "true" });

  function draw({ pass, way, board, columns, box, isBlank, patch }) {
    const frame = box.getBoundingClientRect();
    const here = ([x, y]) => [x - frame.left, y - frame.top];
    node.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    node.replaceChildren();
    if (isBlank) return;
    const isNarrow = frame.width < 720;
    const lastOf = (channel) => columns.every.find((one) => one.step === pass.last.name && one.channel === channel);
    const ends = columns.letters.map((letter) => {
      const at = letter.getBoundingClientRect();
      return isNarrow ? here([at.left + at.width / 2, at.top]) : here([at.left - 8, at.top + at.height / 2]);
    });
    const starts = unrolled(pass, lastOf, here, isNarrow, node, box);
    castVotes(pass, starts, ends, isNarrow);
    if (!way.length) return;
    follow(pass, way, { board, columns, here, patch, starts, ends, isNarrow });
  }

  // Every voting value as a small square beside its map, the map unrolled as a column. Returns where each stands.
  function unrolled(pass, lastOf, here, isNarrow, into, box) {
    const { values, shape } = pass.votes;
    const each = shape.length > 1 ? values.length / shape[0] : 1;
    const places = new Map();
    const seen = [...Array(shape[0]).keys()].map((channel) => [channel, shape.length > 1 || pass.last.shape[0] === shape[0] ? lastOf(channel) : null]);
    const across = box.querySelector(".voting").getBoundingClientRect();
    for (const [channel, one] of seen) {
      if (!one) continue;
      const frame = one.map.node.getBoundingClientRect();
      const [left, top] = isNarrow ? here([across.left, across.top + 34]) : here([across.left + 4, frame.top]);
      const size = isNarrow ? across.width / values.length : frame.height / each;
      for (let i = 0; i < each; i++) {
        const f = channel * each + i;
        const [x, y] = isNarrow ? [left + f * size, top] : [left, top + i * size];
        const tick = svg("rect", isNarrow ? { x, y, width: Math.max(size - 0.5, 0.5), height: 9 } : { x, y, width: 9, height: Math.max(size - 1, 0.5) });
        tick.style.fill = tone(values[f] / pass.last.scale);
        into.append(tick);
        places.set(f, isNarrow ? [x + size / 2, y + 9] : [x + 9, y + size / 2]);
      }
    }
    return places;
  }

  function castVotes(pass, starts, ends, isNarrow) {
    const lines = [];
    pass.votes.contribution.forEach((votes, k) => {
      for (const [f] of starts) {
        const value = pass.votes.values[f];
        if (value && ends[k]) lines.push({ f, k, weight: votes[f] / value, strength: Math.min(1, Math.abs(value) / pass.last.scale) });
      }
    });
    lines.sort((a, b) => Math.abs(b.weight) * b.strength - Math.abs(a.weight) * a.strength);
    const thick = 5 / Math.max(1e-9, ...lines.map(({ weight }) => Math.abs(weight)));
    for (const { f, k, weight, strength } of lines.slice(0, MOST).reverse()) {
      const line = svg("path", { d: curve(starts.get(f), ends[k], isNarrow), class: weight < 0 ? "vote against" : "vote for" });
      line.style.strokeWidth = Math.min(6, Math.max(0.35, thick * Math.abs(weight)));
      line.style.opacity = 0.1 + 0.72 * strength ** 1.6;
      node.append(line);
    }
  }

  function follow(pass, way, { board, columns, here, patch, starts, ends, isNarrow }) {
    const shown = way.map(([name, channel, ...at]) => [columns.every.find((one) => one.step === name && one.channel === channel), at]).filter(([one]) => one).reverse();
    const stops = [];
    if (patch) {
      const [top, left, bottom, right] = pass.first.field(patch[2], patch[3], board.rows, board.columns);
      const box = board.node.getBoundingClientRect();
      const y = box.top + ((top + bottom) / 2 / board.rows) * box.height;
      stops.push({ out: here([box.right, y]), from: here([box.left + (right / board.columns) * box.width, y]) });
    }
    for (const [one, [r, c]] of shown) {
      if (one.kernel && stops.length === 1 && !isNarrow) {
        const box = one.kernel.node.getBoundingClientRect();
        stops.push({ in: here([box.left, box.top + box.height / 2]), out: here([box.right, box.top + box.height / 2]) });
      }
      const box = one.map.node.getBoundingClientRect();
      const [, y] = one.map.middle(r, c);
      stops.push({ in: here([box.left, y]), out: here([box.right, y]) });
    }
    const { made_by, shape, values } = pass.votes;
    const voter = way.find(([name]) => name === pass.steps[made_by]?.name) || way.find(([name]) => name === pass.last.name);
    const f = !voter ? -1 : shape.length > 1 ? voter.slice(1).reduce((index, i, axis) => index * shape[axis] + i, 0) : voter[1];
    const k = pass.answer;
    if (starts.has(f) && values[f]) {
      stops.push({ in: starts.get(f) });
      const line = svg("path", { d: curve(starts.get(f), ends[k], isNarrow), class: "thread" });
      node.append(line);
      label(`${two(values[f])} × ${two(pass.votes.contribution[k][f] / values[f])} = ${signed(pass.votes.contribution[k][f])}`, starts.get(f), ends[k]);
    }
    if (isNarrow) return;
    stops.slice(1).forEach((stop, i) => {
      const { out, from } = stops[i];
      if (out && stop.in) node.append(svg("path", { d: inGutter(from, out, stop.in), class: "thread" }));
    });
  }

  function label(words, [x0, y0], [x1, y1]) {
    const text = svg("text", { x: x0 + (x1 - x0) * 0.45, y: Math.min(y0, y1) + Math.abs(y1 - y0) * 0.22 + 5, class: "vote-words" });
    text.textContent = words;
    node.append(text);
    const box = text.getBBox();
    const back = svg("rect", { x: box.x - 8, y: box.y - 4, width: box.width + 16, height: box.height + 8, rx: 3, class: "vote-box" });
    node.insertBefore(back, text);
  }

  return { node, draw };
}

function tone(v) {
  const strength = Math.min(1, Math.abs(v));
  const sign = v < 0 ? "-" : "";
  return strength < 0.5 ? `color-mix(in oklab, var(--v0), var(--v${sign}05) ${strength * 200}%)` : `color-mix(in oklab, var(--v${sign}05), var(--v${sign}1) ${(strength - 0.5) * 200}%)`;
}

// Along its own row to the edge of what it leaves, then down or up in the gutter, never over a number.
function inGutter(from, out, to) {
  const start = from ? `M${from[0]} ${from[1]} L${out[0]} ${out[1]} ` : `M${out[0]} ${out[1]} `;
  const middle = out[0] + Math.min(24, (to[0] - out[0]) / 2);
  const bend = Math.min(20, Math.abs(to[1] - out[1]) / 2, Math.max(to[0] - middle, 1));
  if (Math.abs(to[1] - out[1]) < 1) return `${start}L${to[0]} ${to[1]}`;
  const down = Math.sign(to[1] - out[1]);
  return `${start}L${middle - bend} ${out[1]} Q${middle} ${out[1]} ${middle} ${out[1] + down * bend} L${middle} ${to[1] - down * bend} Q${middle} ${to[1]} ${middle + bend} ${to[1]} L${to[0]} ${to[1]}`;
}

function curve([x0, y0], [x1, y1], down = false) {
  if (down) return `M${x0} ${y0} C${x0} ${(y0 + y1) / 2} ${x1} ${(y0 + y1) / 2} ${x1} ${y1}`;
  return `M${x0} ${y0} C${(x0 + x1) / 2} ${y0} ${(x0 + x1) / 2} ${y1} ${x1} ${y1}`;
}
