// The sheet of layers: every map, which value is chosen, and the keys that walk from one to the next.

import { el, signed } from "./colours.js";
import { openLens } from "./lens.js";
import { drawInput, drawMap } from "./maps.js";
import { acrossOf, addressOf, axesOf, cell, cube, data, factor, featureName, few, figure, gridOf, hooks, input, inWords, isPixels, mapCube, sheetOf, size, snap, steps, valueAt } from "./scene.js";

let chosen = null; // { step, channel, place: [slice, row, column] }
const sheets = new Map(); // step -> its canvases by channel
const shows = (step) => step.type !== "flatten" && step.type !== "dropout";

function layerRow(step) {
  const facts = el("div", {}, el("h2", { textContent: step.text || step.name.replace(".", ".\u200b") }));
  const grid = step.shape.length > 1;
  if (step.text && step.text.split(" ")[0] !== step.name.replace(/\d+$/, "")) facts.append(el("p", { textContent: step.name }));
  facts.append(el("p", { textContent: grid ? `${size(step.shape.slice(1))}, ${step.shape[0]} map${step.shape[0] > 1 ? "s" : ""}` : `${step.shape[0]} values` }));
  if (step.sees?.length && grid) facts.append(el("p", { textContent: `sees ${size(step.sees)}` }));
  const row = el("div", { className: "layer" }, facts);
  row.append(step === steps.at(-1) ? classBars() : mapsOf(step));
  return row;
}

function mapsOf(step) {
  const box = el("div", { className: "maps" });
  const canvases = new Map();
  sheets.set(step, canvases);
  const add = (channels) => {
    for (const channel of channels) {
      const canvas = el("canvas", { tabIndex: canvases.size ? -1 : 0 });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${step.name}, feature ${channel + 1}`);
      canvases.set(channel, canvas);
      canvas.addEventListener("click", (event) => choose(step, channel, cellUnder(event, step)));
      canvas.addEventListener("mousemove", (event) => hint(canvas, step, channel, cellUnder(event, step)));
      canvas.addEventListener("keydown", (event) => walk(event, step, channel));
      box.append(canvas);
      paint(step, channel);
    }
  };
  if (step === input && (!isPixels(input) || axesOf(input) === 1)) {
    const canvas = el("canvas");
    box.append(canvas);
    drawInput(canvas, axesOf(input) === 1 ? 240 : 96);
    return box;
  }
  add(step.order.slice(0, few()));
  if (step.order.length > few()) {
    const more = el("button", { type: "button", textContent: `all ${step.order.length}` });
    more.addEventListener("click", () => (more.remove(), add(step.order.slice(few()))));
    box.append(more);
  }
  return box;
}

const side = (step) => (axesOf(step) === 3 ? 96 : axesOf(step) === 1 ? 180 : step === input ? 96 : step.shape.length === 1 ? 18 : Math.max(...gridOf(step)) > 20 ? 72 : Math.max(...gridOf(step)) > 5 ? 58 : 40);

function paint(step, channel) {
  const canvas = sheets.get(step)?.get(channel);
  if (!canvas) return;
  const here = chosen && chosen.step === step && chosen.channel === channel;
  drawMap(canvas, step, channel, side(step), here && axesOf(step) ? cell(chosen.place) : null);
  canvas.classList.toggle("on", Boolean(here));
}

function cellUnder(event, step) {
  const canvas = event.currentTarget.getBoundingClientRect();
  const whole = mapCube(step);
  const [rows, columns] = sheetOf(whole);
  const at = (offset, length, n) => Math.max(0, Math.min(n - 1, Math.floor((offset / length) * n)));
  const [y, x] = [at(event.clientY - canvas.top, canvas.height, rows), at(event.clientX - canvas.left, canvas.width, columns)];
  const [d, h, w] = whole;
  const slice = Math.min(d - 1, Math.floor(y / h) * acrossOf(whole) + Math.floor(x / w));
  return [slice, y % h, x % w].map((i) => i * factor(step));
}

function hint(canvas, step, channel, place) {
  canvas.title = `${featureName(step, channel)}, ${inWords(step, place)}: ${figure(valueAt(step, channel, place))}`;
}

function walk(event, step, channel) {
  const sizes = cube(step);
  const [d, r, c] = chosen?.step === step && chosen.channel === channel ? chosen.place : [0, 0, 0];
  const by = factor(step);
  const moves = { ArrowLeft: [d, r, c - by], ArrowRight: [d, r, c + by], ArrowUp: [d, r - by, c], ArrowDown: [d, r + by, c], PageUp: [d - by, r, c], PageDown: [d + by, r, c], Enter: [d, r, c] };
  const shown = [...sheets.get(step).keys()];
  const jump = { "[": -1, "]": 1 }[event.key];
  if (jump) channel = shown[(shown.indexOf(channel) + jump + shown.length) % shown.length];
  const place = jump ? [d, r, c] : moves[event.key];
  if (!place) return;
  event.preventDefault();
  choose(step, channel, sizes.map((n, i) => snap(step, Math.max(0, Math.min(n - 1, place[i])))));
  sheets.get(step).get(channel).focus();
}

function classBars() {
  const box = el("div", { className: "classes" });
  const most = Math.max(...data.logit.map(Math.abs));
  const order = [...data.logit.keys()].sort((a, b) => data.logit[b] - data.logit[a]).slice(0, 12);
  for (const k of order) {
    const v = data.logit[k];
    const bar = el("i", { className: v < 0 ? "against" : "" });
    bar.style.cssText = `left:${v < 0 ? 50 + (50 * v) / most : 50}%;width:${(50 * Math.abs(v)) / most}%`;
    const track = el("span", { className: "track" }, bar);
    track.style.cssText = "border:0;background:linear-gradient(var(--edge),var(--edge)) center/1px 100% no-repeat";
    box.append(el(k === data.answer ? "b" : "span", { textContent: data.classes[k] }), track, el("span", { className: `n ${v < 0 ? "against" : "for"}`, textContent: signed(v) }));
  }
  return box;
}

export function choose(step, channel, place) {
  const before = chosen;
  chosen = { step, channel, place };
  if (before) paint(before.step, before.channel);
  if (!sheets.get(step)?.has(channel)) sheets.get(step)?.size && [...document.querySelectorAll(".maps button")].forEach((b) => b.parentNode.contains([...sheets.get(step).values()][0]) && b.click());
  paint(step, channel);
  history.replaceState(null, "", `#${addressOf(step, channel, place)}`);
  openLens(chosen);
  hooks.chosen?.(chosen);
}

export function drawSheet() {
  sheets.clear();
  document.getElementById("layers").replaceChildren(layerRow(input), ...steps.filter(shows).map(layerRow));
}
