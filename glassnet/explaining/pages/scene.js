// What is shown: the numbers of one pass, where each value stands, and what it sees. Set by load(); draws nothing.

import { inkColour, minus, signed, two, unpack, valueColour } from "./colours.js";

export let data, input, steps, hooks;
let darkest, brightest;

// given: the numbers as the page's maker writes them. on: what a live page adds (names of features, a pixel that is flipped).
export function load(given, on = {}) {
  data = given;
  hooks = on;
  input = { name: data.noun, type: "input", shape: data.shape, values: unpack(data.input), order: data.shape[0] > 3 ? [] : [...Array(data.shape[0]).keys()], inputs: [] };
  steps = data.steps.map((s) => ({ ...s, values: unpack(s.values), weight: s.weight && unpack(s.weight), bias: s.bias && unpack(s.bias) }));
  [darkest, brightest] = input.values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
}

export const source = (step, i = 0) => (step.inputs[i] < 0 ? input : steps[step.inputs[i]]);
export const few = () => (data.shape.length === 4 ? 6 : data.steps.length > 10 ? 8 : 16); // maps of a layer that are drawn at once
export const plain = (v) => (Number.isInteger(v) ? minus(String(v)) : two(v));
export const figure = (v) => (hooks.figure || two)(v);
export const featureName = (step, channel) => hooks.features?.[step.name]?.[channel] || `feature ${channel + 1}`;
export const size = (shape) => shape.join(" × ");

function pixelColour(v) {
  const share = (v - darkest) / (brightest - darkest || 1);
  return data.ink ? inkColour(share) : [0, 1, 2].map(() => Math.round(255 * share));
}
export const isPixels = (step) => step === input && data.shape[0] === 1;
export const colour = (step, v) => (isPixels(step) ? pixelColour(v) : valueColour(v / (step.scale || Math.max(-darkest, brightest))));

// A place is [slice, row, column]; a map of fewer axes has one slice, or one row. Slices are drawn side by side.
export const cube = (step) => [1, 1, 1].concat(step.shape.slice(1)).slice(-3);
export const acrossOf = ([d]) => Math.ceil(Math.sqrt(d));
export const sheetOf = ([d, h, w]) => [Math.ceil(d / acrossOf([d])) * h, acrossOf([d]) * w];
export const onSheet = ([d, h, w], [i, r, c]) => [Math.floor(i / acrossOf([d])) * h + r, (i % acrossOf([d])) * w + c];
export const gridOf = (step) => sheetOf(cube(step));
export const axesOf = (step) => step.shape.length - 1;
export const three = (v, fill) => (Array.isArray(v) ? [fill, fill, fill].concat(v).slice(-3) : null);
export const factor = (step) => step.factor || 1;
export const holds = (step, channel) => step === input || step.order.includes(channel); // a large net's page lacks the weaker maps
export const mapCube = (step) => cube(step).map((n) => Math.ceil(n / factor(step)));

export function valueAt(step, channel, place) {
  const k = step.factor ? step.order.indexOf(channel) : channel;
  return step.values[place.reduce((at, i, axis) => at * mapCube(step)[axis] + Math.floor(i / factor(step)), k)];
}

export function* places([d, h, w]) {
  for (let i = 0; i < d; i++) for (let r = 0; r < h; r++) for (let c = 0; c < w; c++) yield [i, r, c];
}

export const cell = (place) => [...place, ...place.map((i) => i + 1)];
// The nearest place before n whose value is in the page.
export const snap = (step, n) => n - (n % factor(step));

// The place in words, by the names of the axes that the step has: "row 3, column 5".
export function inWords(step, place) {
  const names = data.axes.slice(-axesOf(step) || data.axes.length);
  const spelt = (axis, i) => ((step === input || data.spelt) && axis.at[i] ? (data.spelt ? `\u201c${axis.at[i]}\u201d` : axis.at[i]) : `${axis.name} ${i + 1}`);
  return names.map((axis, i) => spelt(axis, place[3 - names.length + i])).join(", ");
}

export const addressOf = (step, channel, place) => [step.name, channel + 1, ...place.slice(3 - axesOf(step)).map((i) => i + 1)].join("/");

// What a layer does along the axes that it has, and what leaves an axis that it lacks as it is.
export const along = (step, v, fill) => three(v, fill) || [0, 1, 2].map((axis) => (axis < 3 - axesOf(step) ? fill : v));
export const windowOf = (step) => along(step, step.type === "conv" ? step.kernel : step.window, 1);
export const strideOf = (step) => along(step, step.stride, 1);
export const pads = (step) => along(step, step.padding, 0);

// The part of the input that a value sees: [slices, rows, columns from, to], walking back window by window.
export function fieldOf(step, channel, place) {
  let [box, same] = [cell(place), true]; // whether it is still the same feature's
  for (let at = step; at !== input; at = source(at)) {
    if (at.shape.length < 2) return null;
    if (at.type !== "conv" && at.type !== "pool") continue;
    const [k, s, p] = [windowOf(at), strideOf(at), pads(at)];
    const from = cube(source(at));
    const [first, beyond] = at.reach && same ? at.reach[channel] : [0, k[2]];
    const low = [0, 1, 2].map((i) => Math.max(0, box[i] * s[i] - p[i] + (i < 2 ? 0 : first)));
    const high = [0, 1, 2].map((i) => Math.min(from[i], (box[i + 3] - 1) * s[i] - p[i] + (i < 2 ? k[i] : beyond)));
    box = [...low, ...high];
    same = false;
  }
  return box;
}

export function becomes(step, channel, place, shown) {
  const lines = [];
  for (let at = step, guard = 0; guard < 40; guard++) {
    const users = steps.filter((one) => one.inputs.includes(steps.indexOf(at)));
    const next = users[0];
    if (!next || next.factor || users.length > 1) break;
    if (next.type === "conv") {
      lines.push([`${next.name} uses it in its sums`, ""]);
      break;
    }
    if (["relu", "gelu", "batchnorm", "dropout"].includes(next.type)) {
      const v = valueAt(next, channel, place);
      if (next.type !== "dropout") lines.push([next.type === "relu" ? (v ? "relu keeps" : "relu makes it") : `${next.type} makes it`, figure(v)]);
      if (next.type === "relu" && !v) break;
      shown = v;
    } else if (next.type === "pool") {
      const [sizes, stride, pad] = [cube(next), strideOf(next), pads(next)];
      place = place.map((i, axis) => Math.min(sizes[axis] - 1, Math.floor((i + pad[axis]) / stride[axis])));
      const v = valueAt(next, channel, place);
      const won = next.chances || Math.abs(v - shown) < 1e-6;
      if (next.chances) lines.push(["chance that one of its block is on", figure(v)]);
      else lines.push([won ? "pool: wins its window" : "pool: loses to", figure(v)]);
      if (!won) break;
      shown = v;
    } else if (next.type === "flatten") {
      channel = place.reduce((index, i, axis) => index * cube(at)[axis] + i, channel);
      place = [0, 0, 0];
    } else if (next.type === "fc" && next === steps.at(-1) && next.weight) {
      const n = next.weight.length / next.bias.length;
      const weight = next.weight[data.answer * n + channel];
      lines.push([`weight for ${data.classes[data.answer]}`, `× ${two(weight)}`], [`vote for ${data.classes[data.answer]}`, signed(weight * shown), weight * shown < 0 ? "against" : "for"]);
      break;
    } else break;
    at = next;
  }
  return lines;
}
