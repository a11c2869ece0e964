// Where the answer comes from: a value a place of the input, over the input as it looks.

import { css, unpack, valueColour } from "./colours.js";
import { asDrawn, sentence } from "./maps.js";
import { axesOf, cube, data, input, onSheet, places, sheetOf, three } from "./scene.js";

export function drawHeat(id, heat) {
  const canvas = document.getElementById(id);
  if (!canvas || !heat) return;
  const coarse = three(heat.shape, 1);
  const whole = axesOf(input) === 3 ? [cube(input)[0], ...coarse.slice(1)] : coarse; // every slice of a solid has its own
  const [h, w] = sheetOf(whole);
  const [ih, iw] = asDrawn();
  const values = unpack(heat.values);
  const sizes = values.map(Math.abs).sort(); // a few far larger ones would leave the rest pale
  const most = (sizes.length > 400 && sizes[Math.floor(0.99 * sizes.length)]) || sizes.at(-1) || 1e-12;
  if (data.spelt) return canvas.replaceWith(sentence(id, { values, most }));
  const [width, height] = [Math.round((200 * iw) / Math.max(ih, iw)), Math.round((200 * ih) / Math.max(ih, iw))];
  const scale = devicePixelRatio;
  [canvas.width, canvas.height] = [width * scale, height * scale];
  [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  const pen = canvas.getContext("2d");
  const image = new Image();
  image.onload = () => {
    pen.imageSmoothingEnabled = Math.max(ih, iw) > 48;
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    pen.globalAlpha = 0.72;
    [...places(whole)].forEach((place) => {
      const [r, c] = onSheet(whole, place);
      const slice = Math.floor((place[0] * coarse[0]) / whole[0]);
      const [x0, x1, y0, y1] = [c / w, (c + 1) / w, r / h, (r + 1) / h].map((v, i) => Math.round(v * (i < 2 ? canvas.width : canvas.height)));
      pen.fillStyle = css(valueColour(values[(slice * coarse[1] + place[1]) * coarse[2] + place[2]] / most));
      pen.fillRect(x0, y0, x1 - x0, y1 - y0);
    });
  };
  image.src = data.picture;
}
