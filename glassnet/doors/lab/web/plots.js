// Small drawings that several views share: signed bars along an axis, dots with intervals, a scale with ticks.

import { signed } from "./colours.js";

export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Signed values along an axis as bars from a line of zero. upright: the axis runs down, bars to the right are for.
export function bars(values, { upright = false, name = "votes" } = {}) {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const span = high - low || 1;
  const n = values.length;
  const place = (v) => (100 * (upright ? v - low : high - v)) / span;
  const picture = svg("svg", { viewBox: upright ? `0 0 100 ${n}` : `0 0 ${n} 100`, preserveAspectRatio: "none", class: `bars${upright ? " upright" : ""}`, role: "img", "aria-label": `${name}, ${signed(low)} to ${signed(high)}` });
  [...values].forEach((v, i) => {
    const [from, to] = [place(0), place(v)].sort((a, b) => a - b);
    const gap = n > 60 ? 0.08 : 0.06;
    const box = upright ? { x: from, y: i + gap, width: to - from, height: 1 - 2 * gap } : { x: i + gap, y: from, width: 1 - 2 * gap, height: to - from };
    picture.append(svg("rect", { ...box, class: v < 0 ? "against" : "for" }));
  });
  const at = place(0);
  picture.append(svg("line", { ...(upright ? { x1: at, x2: at, y1: 0, y2: n } : { x1: 0, x2: n, y1: at, y2: at }), class: "axis", "vector-effect": "non-scaling-stroke" }));
  return picture;
}

// Round values that a scale from low to high is marked at.
export function ticks(low, high, most = 7) {
  const rough = (high - low) / most || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((k) => k >= rough - 1e-12);
  return Array.from({ length: Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1 }, (_, i) => (Math.ceil(low / step - 1e-9) + i) * step);
}
