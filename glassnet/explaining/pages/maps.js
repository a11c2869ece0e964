// Maps as canvases, and the input as it looks. A solid's slices are drawn side by side, a sentence as words.

import { css, el, signed, textOn, token, valueColour } from "./colours.js";
import { axesOf, colour, cube, data, factor, gridOf, input, isPixels, mapCube, onSheet, places, sheetOf, valueAt } from "./scene.js";

export function drawMap(canvas, step, channel, side, box) {
  const whole = mapCube(step);
  const [h, w] = sheetOf(whole);
  const cell = side / Math.max(h, w);
  const scale = Math.max(1, Math.ceil((devicePixelRatio * side) / Math.max(h, w)));
  [canvas.width, canvas.height] = [w * scale, h * scale];
  [canvas.style.width, canvas.style.height] = [`${w * cell}px`, `${Math.max(h * cell, 8)}px`];
  const pen = canvas.getContext("2d");
  for (const place of places(whole)) {
    const [r, c] = onSheet(whole, place);
    pen.fillStyle = css(colour(step, valueAt(step, channel, place.map((i) => i * factor(step)))));
    pen.fillRect(c * scale, r * scale, scale, scale);
  }
  if (box) outlines(pen, whole, box.map((v) => v / factor(step)), [scale, scale], scale * h);
}

// A box [slices, rows, columns from, to], in every slice that it reaches.
function outlines(pen, whole, [d0, r0, c0, d1, r1, c1], [down, across], height) {
  for (let i = Math.floor(d0); i < d1; i++) {
    const [r, c] = onSheet(whole, [i, r0, c0]);
    outline(pen, [r * down, c * across, (r + r1 - r0) * down, (c + c1 - c0) * across], height);
  }
}

function outline(pen, [top, left, bottom, right], height) {
  const thick = Math.max(2, height / 40);
  for (const [style, width] of [[token("--paper"), 2 * thick], [token("--accent"), thick]]) {
    [pen.strokeStyle, pen.lineWidth] = [style, width];
    pen.strokeRect(left, top, Math.max(right - left, thick), Math.max(bottom - top, thick));
  }
}

export const asDrawn = () => (axesOf(input) === 1 ? data.pictured : gridOf(input)); // a series is drawn as lines

function drawPicture(canvas, side, box) {
  const [h, w] = asDrawn();
  const image = new Image();
  image.onload = () => {
    const scale = Math.max(1, Math.round((devicePixelRatio * side) / Math.max(h, w)));
    [canvas.width, canvas.height] = [w * scale, h * scale];
    [canvas.style.width, canvas.style.height] = [`${(w * side) / Math.max(h, w)}px`, `${(h * side) / Math.max(h, w)}px`];
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = Math.max(h, w) > 48;
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    const [rows, columns] = gridOf(input);
    if (box) outlines(pen, cube(input), box, [canvas.height / rows, canvas.width / columns], canvas.height);
  };
  image.src = data.picture;
}

export function drawInput(canvas, side, box) {
  if (data.spelt) return canvas.replaceWith(sentence(canvas.id, { seen: box }));
  if (isPixels(input) && axesOf(input) === 2) drawMap(canvas, input, 0, side, box);
  else drawPicture(canvas, side, box);
}

// A sentence as it is read: its words on the colours of the values at their places, those of a box outlined.
export function sentence(id, { values, most, seen }) {
  const [words, spelt] = [el("p", { className: "words", id }), data.axes[0].at];
  spelt.forEach((word, i) => {
    if (!word) return;
    const one = el("span", { textContent: word, className: seen && i >= seen[2] && i < seen[5] ? "seen" : "" });
    if (values) {
      const value = values[Math.min(values.length - 1, Math.floor((i * values.length) / spelt.length))];
      const c = valueColour(value / most);
      one.style.cssText = `background:${css(c)};color:${textOn(c)}`;
      one.title = signed(value);
    }
    words.append(one, " ");
  });
  return words;
}
