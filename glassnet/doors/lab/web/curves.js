// Loss and accuracy of a training as they come: held-out examples in bold, training examples thin, a line at the moment.

import { svg, ticks } from "./plots.js";

const [LEFT, TOP, BOTTOM, HEIGHT] = [40, 12, 22, 150];

// points: {at, loss, accuracy} of training. moments: {epoch, held_loss, held_accuracy}. epochs: in all. now: the moment shown.
export function curves({ points, moments, epochs, now, width }) {
  const held = moments.filter((one) => one.held_loss !== undefined);
  const losses = [...points.map((one) => one.loss), ...held.map((one) => one.held_loss)];
  const most = Math.max(...losses, 1e-3);
  const all = [
    { name: "Loss", unit: "cross-entropy", of: (one) => one.held_loss ?? one.loss, low: 0, high: most, words: (v) => v.toFixed(3) },
    { name: "Accuracy", unit: "% right", of: (one) => 100 * (one.held_accuracy ?? one.accuracy), low: lowest(points, held), high: 100, words: (v) => `${v.toFixed(1)} %` },
  ];
  return all.map((one) => chart(one, { points, held, epochs, now, width }));
}

function lowest(points, held) {
  const least = Math.min(100, ...points.map((one) => 100 * one.accuracy), ...held.map((one) => 100 * one.held_accuracy));
  return Math.max(0, Math.floor(least / 10) * 10);
}

function chart({ name, unit, of, low, high, words }, { points, held, epochs, now, width }) {
  const right = width > 480 ? 150 : 100; // for the figures
  const x = (epoch) => LEFT + (epoch / Math.max(epochs, 1)) * (width - LEFT - right);
  const y = (v) => TOP + (1 - (v - low) / (high - low || 1)) * HEIGHT;
  const line = (list, at) => list.map((one, i) => `${i ? "L" : "M"}${x(at(one)).toFixed(1)} ${y(of(one)).toFixed(1)}`).join("");
  const shown = held.reduce((best, one) => (best && Math.abs(best.epoch - now) <= Math.abs(one.epoch - now) ? best : one), null);
  const near = points.reduce((best, one) => (best && Math.abs(best.at - now) <= Math.abs(one.at - now) ? best : one), null);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${TOP + HEIGHT + BOTTOM}`, role: "img", class: "curve", "aria-label": `${name} by epoch${shown ? `: ${words(of(shown))} on held-out examples at epoch ${+shown.epoch.toFixed(2)}` : ""}` });
  for (const tick of ticks(low, high, 4)) {
    picture.append(svg("line", { x1: LEFT, x2: width - right, y1: y(tick), y2: y(tick), class: "grid" }), text(LEFT - 8, y(tick) + 4, String(+tick.toFixed(3)), { "text-anchor": "end" }));
  }
  for (const tick of ticks(0, epochs, width > 480 ? 8 : 4).filter(Number.isInteger)) picture.append(text(x(tick), TOP + HEIGHT + 16, String(tick), { "text-anchor": "middle" }));
  picture.append(svg("path", { d: line(points, (one) => one.at), class: "training" }), svg("path", { d: line(held, (one) => one.epoch), class: "held" }));
  if (held.length < 60) for (const one of held) picture.append(svg("circle", { cx: x(one.epoch), cy: y(of(one)), r: 2.5, class: "dot" }));
  picture.append(svg("line", { x1: x(now), x2: x(now), y1: TOP, y2: TOP + HEIGHT, class: "now" }));
  if (shown) {
    const at = Math.min(x(now) + 12, width - right + 12);
    const up = Math.max(TOP + 18, Math.min(TOP + HEIGHT - 40, y(of(shown))));
    picture.append(svg("circle", { cx: x(shown.epoch), cy: y(of(shown)), r: 5, class: "dot look" }), text(at, up, words(of(shown)), { class: "figure" }), text(at, up + 16, "held out"));
    if (near) picture.append(text(at, up + 32, `training ${words(of(near))}`));
  }
  return { name, unit, picture };
}

function text(x, y, words, props = {}) {
  const node = svg("text", { x, y, ...props });
  node.textContent = words;
  return node;
}
