// Features of the first layer as they learn: a row a moment, a column a feature, the last row the moment that is shown.

import { decode } from "./api.js";
import { css, el, valueColour } from "./colours.js";

const ROWS = 5;
const MOST = 8; // columns

export const unpacked = (features) => new Int8Array(decode(features.values).buffer);

// One feature on a canvas. values: int8 of all. shape: (rows, columns).
export function feature(values, k, [rows, columns]) {
  const canvas = el("canvas", { width: columns, height: rows });
  const pen = canvas.getContext("2d");
  for (let i = 0; i < rows * columns; i++) {
    pen.fillStyle = css(valueColour(values[k * rows * columns + i] / 100));
    pen.fillRect(i % columns, Math.floor(i / columns), 1, 1);
  }
  return canvas;
}

// told: {shown, shape, count} of the first layer. moments: with features. now: index of the one that is shown, and its name.
export function filters({ told, moments, now, name, pick, picked }) {
  const columns = Math.min(told.shown, MOST);
  const table = el("table", { className: "filters" });
  const earlier = spread(now, ROWS - 1);
  const title = (i) => (i === now ? name : `epoch ${+moments[i].epoch.toFixed(2)}`);
  for (const i of [...earlier, now]) {
    const values = unpacked(moments[i].features);
    const cells = Array.from({ length: columns }, (_, k) => {
      const canvas = feature(values, k, told.shape);
      if (i !== now) return el("td", {}, canvas);
      const button = el("button", { type: "button", ariaLabel: `feature ${k + 1} of ${told.name}, ${title(i)}`, onclick: (event) => pick(k, place(event, told.shape)) }, canvas);
      button.setAttribute("aria-pressed", String(picked === k));
      return el("td", {}, button);
    });
    const head = el("th", { scope: "row", textContent: title(i) });
    table.append(el("tr", { className: i === now ? "now" : "" }, head, ...cells));
  }
  return table;
}

// Where in a feature a click fell; the middle one for keys.
function place(event, [rows, columns]) {
  if (!event.detail) return [Math.floor((rows - 1) / 2), Math.floor((columns - 1) / 2)];
  const box = event.currentTarget.firstChild.getBoundingClientRect();
  const within = (share, n) => Math.min(n - 1, Math.max(0, Math.floor(share * n)));
  return [within((event.clientY - box.top) / box.height, rows), within((event.clientX - box.left) / box.width, columns)];
}

// Places before `end`, evenly spread, the first always there.
function spread(end, count) {
  if (end <= count) return Array.from({ length: end }, (_, i) => i);
  return [...new Set(Array.from({ length: count }, (_, i) => Math.round((i * end) / count)))].filter((i) => i < end);
}
