// The sum behind one value, written out: a rule a layer.

import { css, el, minus, signed, textOn, two, valueColour } from "./colours.js";
import { drawInput, drawMap } from "./maps.js";
import { addressOf, axesOf, becomes, cell, colour, cube, data, factor, featureName, fieldOf, figure, holds, hooks, input, inWords, pads, places, plain, size, source, strideOf, three, valueAt, windowOf } from "./scene.js";

const capital = (words) => words[0].toUpperCase() + words.slice(1);

function title({ step, channel, place }) {
  if (step === input) return capital(`${inWords(step, place)} of the ${data.noun}`);
  const where = axesOf(step) ? capital(`${inWords(step, place)} of ${featureName(step, channel)}`) : `Value ${channel + 1}`;
  return `${where} in ${step.name}`;
}

export function openLens(chosen) {
  const lens = document.getElementById("lens");
  const { step, channel, place } = chosen;
  const held = holds(step, channel);
  const shown = held ? valueAt(step, channel, place) : null;
  lens.replaceChildren(el("h3", { textContent: title(chosen) }));
  const write = { embed, conv, pool, relu, gelu, batchnorm, fc: sumOfValues, mean, max, add }[step.type];
  const lacks = ["pool", "relu", "gelu", "batchnorm", "add"].includes(step.type) && step.inputs.some((_, i) => !holds(source(step, i), channel));
  if (step === input) lens.append(el("p", { className: "sum", textContent: `The net sees ${figure(shown)} here.` }));
  else if (!held && !(step.type === "conv" && (hooks.open || partTerms(step, channel, place)))) lens.append(el("p", { className: "sum", textContent: "This page holds the strongest maps of each layer; this is a weaker one." }));
  else if (lacks) lens.append(el("p", { className: "sum", textContent: `${figure(shown)}. The map that it was made from is not in this page.` }));
  else if (write) write(lens, step, channel, place, shown);
  lens.append(after(step, channel, place, shown, held));
}

// press(i): what a press on cell i does; the cells are buttons then.
export function grid(values, [h, w], paintCell, { number = plain, cell, won, press } = {}) {
  const px = cell || Math.max(10, Math.min(50, Math.floor(160 / w)));
  const box = el("div", { className: "grid" });
  box.style.gridTemplateColumns = `repeat(${w}, ${px}px)`;
  values.forEach((v, i) => {
    const c = v === null ? null : paintCell(v);
    const one = el(press ? "button" : "span", { textContent: px >= 34 && v !== null ? number(v) : "", title: v === null ? "beyond the edge" : number(v) });
    one.style.cssText = `height:${px}px;${c ? `background:${css(c)};color:${textOn(c)}` : "background:var(--wash)"}`;
    one.dataset.i = i;
    if (i === won) one.className = "won";
    if (press) one.addEventListener("click", () => press(i));
    box.append(one);
  });
  return box;
}

export function labelled(strong, rest, content) {
  return el("div", {}, el("span", {}, el("b", { textContent: strong }), ` ${rest}`), content);
}

function channelName(from, channel) {
  if (from !== input) return featureName(from, channel);
  return data.shape[0] === 3 ? ["red", "green", "blue"][channel] : data.shape[0] === 1 ? "patch" : `channel ${channel + 1}`;
}

// One line "patch × feature = products" of a convolution. values, weights: of the whole kernel, null beyond the edge.
function productLine(from, { channel, kernel, values, weights }, most, cell, press) {
  const products = values.map((v, i) => (v === null ? null : v * weights[i]));
  const scale = Math.max(...products.map((v) => Math.abs(v || 0)), 1e-12);
  const parts = [
    labelled(channelName(from, channel), from === input ? `of the ${data.noun}` : `of ${from.name}`, grid(values, kernel, (v) => colour(from, v), { cell })),
    el("i", { textContent: "×" }),
    labelled("feature", press ? "press a pixel to flip it" : "weights", grid(weights, kernel, (v) => valueColour(v / most), { cell, press })),
    el("i", { textContent: "=" }),
    labelled("products", "", grid(products, kernel, (v) => valueColour(v / scale), { cell })),
  ];
  const line = el("div", { className: "product" }, ...parts);
  line.addEventListener("mouseover", (event) => {
    const i = event.target.dataset?.i;
    if (i === undefined || values[i] === null) return;
    const words = line.parentNode.nextElementSibling;
    line.parentNode.querySelectorAll(".lit").forEach((one) => one.classList.remove("lit"));
    line.querySelectorAll(`[data-i="${i}"]`).forEach((one) => one.classList.add("lit"));
    words.textContent = `${plain(values[i])} × ${plain(weights[i])} = ${plain(products[i])}`;
  });
  return line;
}

// A kernel as rows and columns: the slices of a solid one below each other.
const flatKernel = ([d, h, w]) => [d * h, w];
const inside = (sizes, place) => place.every((i, axis) => i >= 0 && i < sizes[axis]);

// Places of the input under a kernel or a window, of which some may lie beyond the edge.
function under(step, window, place) {
  const [stride, pad] = [strideOf(step), pads(step)];
  return [...places(window)].map((at) => at.map((i, axis) => place[axis] * stride[axis] - pad[axis] + i));
}

function kernelTerms(step, channel, place) {
  const from = source(step);
  const window = three(step.kernel, 1);
  const sizes = cube(from);
  const channels = from.shape[0];
  const each = window[0] * window[1] * window[2];
  const at = under(step, window, place);
  return Array.from({ length: channels }, (_, k) => {
    const values = at.map((one) => (inside(sizes, one) ? valueAt(from, k, one) : null));
    const weights = Array.from(step.weight.subarray((channel * channels + k) * each, (channel * channels + k + 1) * each));
    return { channel: k, kernel: flatKernel(window), values, weights, sum: values.reduce((sum, v, i) => sum + (v || 0) * weights[i], 0) };
  });
}


function partTerms(step, channel, place) {
  const found = step.sums?.find((s) => s.at[0] === channel && three(s.at.slice(1), 0).every((i, axis) => i === place[axis]));
  if (!found) return null;
  const kernel = flatKernel(three(step.kernel, 1));
  return { ...found, rows: found.channels.map((one) => ({ ...one, kernel })) };
}

function conv(lens, step, channel, place, shown) {
  const from = source(step);
  if (hooks.conv && step.weight) return hooks.conv(lens, { step, channel, place, shown, ...kernelTerms(step, channel, place)[0] });
  const part = step.weight ? null : partTerms(step, channel, place);
  if (!step.weight && !part) {
    if (hooks.open) return hooks.open(lens, step, channel, place);
    const best = step.sums?.find((s) => s.at[0] === channel);
    lens.append(el("p", { className: "sum", textContent: `About ${figure(shown)}. This page holds the sum of this map's strongest place only.` }));
    if (best) lens.append(linkTo(step, channel, three(best.at.slice(1), 0), "Open it"));
    return;
  }
  const all = part ? part.rows : kernelTerms(step, channel, place).sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const open = all.slice(0, 3);
  const most = Math.max(...open.flatMap((one) => one.weights.map(Math.abs)), 1e-12);
  const cell = Math.max(10, Math.min(open.length > 1 ? 36 : 50, Math.floor(170 / open[0].kernel[1])));
  lens.append(el("div", { className: "terms" }, ...open.map((one) => productLine(from, one, most, cell, hooks.flip && ((i) => hooks.flip(step, [channel, one.channel], i))))));
  lens.append(el("p", { className: "facts", textContent: "Point at a cell to see its product." }));
  const rest = part ? part.others[0] : all.length - open.length;
  const sum = part ? part.total - part.bias : all.reduce((total, one) => total + one.sum, 0);
  const bias = part ? part.bias : step.bias[channel];
  const pixels = part ? part.count : all.length * open[0].values.length;
  lens.append(el("p", { className: "sum", textContent: sumInWords(open, rest, sum, pixels) }));
  result(lens, bias ? `${figure(sum)} ${bias < 0 ? "\u2212" : "+"} ${figure(Math.abs(bias))} bias` : figure(sum), sum + bias, colour(step, sum + bias));
  const slides = `Divided by the number of ${axesOf(input) === 2 && !data.axes[0].at.length ? "pixels" : "products"}, as on the slides`;
  lens.append(el("p", { className: "facts", textContent: `${slides}: ${figure(sum)} / ${pixels} = ${figure(sum / pixels)}.` }));
  check(lens, sum + bias, part ? part.net : shown);
}

function sumInWords(open, rest, sum, pixels) {
  if (open.length === 1 && !rest && pixels <= 9) {
    const terms = open[0].values.map((v, i) => (v === null ? 0 : v * open[0].weights[i]));
    return `${terms.map((v, i) => (i ? (v < 0 ? "\u2212 " : "+ ") + figure(Math.abs(v)) : figure(v))).join(" ")} = ${figure(sum)}`;
  }
  if (open.length === 1 && !rest) return `${pixels} products add up to ${figure(sum)}.`;
  const parts = open.map((one) => figure(one.sum)).join(", ");
  const others = sum - open.reduce((total, one) => total + one.sum, 0);
  return `${pixels} products add up to ${figure(sum)}: ${parts}${rest ? `, and ${figure(others)} from ${rest} weaker channel${rest > 1 ? "s" : ""}` : ""}.`;
}

function result(lens, words, value, c) {
  const total = el("span", { className: "total", textContent: figure(value) });
  total.style.cssText = `background:${css(c)};color:${textOn(c)}`;
  lens.append(el("div", { className: "result" }, el("span", { textContent: words }), el("span", { textContent: "=" }), total));
}

export function check(lens, mine, net) {
  const apart = Math.abs(mine - net);
  lens.append(el("p", { className: "facts", textContent: `The net itself computed ${minus(net.toFixed(4))} here; this sum agrees to ${Math.max(apart, 1e-7).toFixed(7)}.` }));
}

function embed(lens, step, channel, place, shown) {
  lens.append(el("p", { className: "sum", textContent: `Of the word ${data.axes[0].at[place[2]] ? `\u201c${data.axes[0].at[place[2]]}\u201d` : "that isn't there"} this is number ${channel + 1} of ${step.shape[0]}, learnt in training.` }));
  result(lens, "looked up", shown, colour(step, shown));
}

function pool(lens, step, channel, place, shown) {
  const from = source(step);
  const window = windowOf(step);
  const at = under(step, window, place);
  const values = at.map((one) => (inside(cube(from), one) ? valueAt(from, channel, one) : null));
  if (factor(from) > 1) return lens.append(el("p", { className: "sum", textContent: `The maximum of its window: about ${figure(shown)}.` }));
  if (step.chances) return chances(lens, step, channel, at, values, shown);
  const won = values.indexOf(Math.max(...values.filter((v) => v !== null)));
  lens.append(labelled(`window of ${size(window.slice(3 - axesOf(step)))}`, `in ${from.name}; cells beyond the edge are left out`, grid(values, flatKernel(window), (v) => colour(from, v), { number: figure, won })));
  result(lens, "the maximum", values[won], colour(step, values[won]));
  check(lens, values[won], shown);
  lens.append(linkTo(from, channel, at[won], `Where it comes from: ${inWords(from, at[won])} of ${from.name}`));
}

// At most one unit of a block is on; each gets more chance the more it gets from below.
function chances(lens, step, channel, at, values, shown) {
  const from = source(step);
  const won = values.indexOf(Math.max(...values.filter((v) => v !== null)));
  lens.append(labelled(`block of ${size(windowOf(step).slice(3 - axesOf(step)))}`, `in ${from.name}: what each unit gets; at most one of them is on`, grid(values, flatKernel(windowOf(step)), (v) => colour(from, v), { number: figure, won })));
  const highest = Math.max(values[won], 0);
  const some = values.reduce((sum, v) => sum + (v === null ? 0 : Math.exp(v - highest)), 0);
  const value = some / (some + Math.exp(-highest));
  result(lens, "the chance that one is on, 1 \u2212 1 / (1 + the sum of e to the power of each)", value, colour(step, value));
  check(lens, value, shown);
  lens.append(linkTo(from, channel, at[won], `What gets most: ${inWords(from, at[won])} of ${from.name}`));
}

function relu(lens, step, channel, place, shown) {
  const from = source(step);
  const v = valueAt(from, channel, place);
  lens.append(el("p", { className: "sum", textContent: v > 0 ? `${figure(v)} is positive and stays.` : `${figure(v)} is negative and becomes zero.` }));
  result(lens, `the larger of 0 and ${figure(v)}`, Math.max(0, v), colour(step, Math.max(0, v)));
  check(lens, Math.max(0, v), shown);
  lens.append(linkTo(from, channel, place, `Where it comes from: the same place in ${from.name}`));
}

function gelu(lens, step, channel, place, shown) {
  const from = source(step);
  const v = valueAt(from, channel, place);
  const share = below(v);
  lens.append(el("p", { className: "sum", textContent: `Of ${figure(v)} a share of ${figure(share)} is let through: the more, the larger it is.` }));
  result(lens, `${figure(v)} × ${figure(share)}`, v * share, colour(step, v * share));
  check(lens, v * share, shown);
  lens.append(linkTo(from, channel, place, `Where it comes from: the same place in ${from.name}`));
}

// The share of a normal distribution that lies below v, to 0.0000002. Abramowitz and Stegun 7.1.26.
function below(v) {
  const x = Math.abs(v) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x);
  return v > 0 ? 1 - tail / 2 : tail / 2;
}

function batchnorm(lens, step, channel, place, shown) {
  const from = source(step);
  if (!step.weight) return lens.append(el("p", { className: "sum", textContent: `About ${figure(shown)}: its input, scaled and shifted.` }));
  const v = valueAt(from, channel, place);
  const [weight, bias] = [step.weight[channel], step.bias[channel]];
  lens.append(el("p", { className: "sum", textContent: "Each map is brought to the same spread: its own factor and shift, learnt in training." }));
  result(lens, `${figure(v)} × ${figure(weight)} ${bias < 0 ? "\u2212" : "+"} ${figure(Math.abs(bias))}`, v * weight + bias, colour(step, v * weight + bias));
  check(lens, v * weight + bias, shown);
  lens.append(linkTo(from, channel, place, `Where it comes from: the same place in ${from.name}`));
}

function mean(lens, step, channel, place, shown) {
  const from = source(step);
  const [h, w] = flatKernel(cube(from));
  if (!step.factor && !from.factor) {
    const values = [...places(cube(from))].map((one) => valueAt(from, channel, one));
    lens.append(labelled(`feature ${channel + 1}`, `of ${from.name}`, grid(values, [h, w], (v) => colour(from, v), { number: figure, cell: Math.max(8, Math.min(44, Math.floor(240 / w))) })));
  }
  result(lens, `the mean of ${h * w} values`, shown, colour(step, shown));
}

function max(lens, step, channel, place, shown) {
  const from = source(step);
  if (step.factor || from.factor) return result(lens, "the largest value of its map", shown, colour(step, shown));
  const at = [...places(cube(from))];
  const values = at.map((one) => valueAt(from, channel, one));
  const won = values.indexOf(Math.max(...values));
  result(lens, `the largest of ${values.length} values`, values[won], colour(step, values[won]));
  check(lens, values[won], shown);
  lens.append(linkTo(from, channel, at[won], `Where it comes from: ${inWords(from, at[won])} of ${from.name}`));
}

function add(lens, step, channel, place, shown) {
  const [a, b] = [0, 1].map((i) => valueAt(source(step, i), channel, place));
  if (a === undefined || b === undefined || step.factor) return lens.append(el("p", { className: "sum", textContent: `About ${figure(shown)}: the sum of two maps.` }));
  result(lens, `${figure(a)} ${b < 0 ? "\u2212" : "+"} ${figure(Math.abs(b))}`, a + b, colour(step, a + b));
  check(lens, a + b, shown);
}

// A fully connected value: its strongest votes, the rest in one line.
function sumOfValues(lens, step, channel, place, shown) {
  const from = source(step);
  if (!step.weight) return lens.append(el("p", { className: "sum", textContent: `${two(shown)}: its votes are not in this page.` }));
  const n = step.weight.length / step.bias.length;
  const values = from.values;
  const votes = Array.from({ length: n }, (_, i) => ({ i, v: values[i], w: step.weight[channel * n + i] })).sort((a, b) => Math.abs(b.v * b.w) - Math.abs(a.v * a.w));
  const rows = votes.slice(0, 10).map(({ i, v, w }) => el("tr", {}, el("td", { textContent: `value ${i + 1}` }), el("td", { className: "n", textContent: `${two(v)} × ${two(w)}` }), el("td", { className: `n ${v * w < 0 ? "against" : "for"}`, textContent: signed(v * w) })));
  const sum = votes.reduce((total, { v, w }) => total + v * w, 0);
  const rest = votes.slice(10).reduce((total, { v, w }) => total + v * w, 0);
  if (votes.length > 10) rows.push(el("tr", {}, el("td", { textContent: `${n - 10} weaker votes` }), el("td"), el("td", { className: "n", textContent: signed(rest) })));
  lens.append(el("table", {}, el("tbody", {}, ...rows)));
  result(lens, `${two(sum)} ${step.bias[channel] < 0 ? "\u2212" : "+"} ${two(Math.abs(step.bias[channel]))} bias`, sum + step.bias[channel], colour(step, sum + step.bias[channel]));
  check(lens, sum + step.bias[channel], shown);
}

function linkTo(step, channel, place, words) {
  const link = el("a", { href: `#${addressOf(step, channel, place)}`, textContent: words });
  return el("p", { className: "facts" }, link);
}

// Its place in the image and in the map, and what becomes of it

function after(step, channel, place, shown, held) {
  const box = el("div", { className: "after" });
  const seen = fieldOf(step, channel, place);
  if (seen) {
    const picture = el("canvas");
    box.append(el("div", { className: "place" }, el("h2", { textContent: `Its place in the ${data.noun}` }), picture));
    drawInput(picture, axesOf(input) === 2 ? 120 : 200, seen);
  }
  if (held && step !== input && step.shape.length > 1) {
    const map = el("canvas");
    drawMap(map, step, channel, axesOf(input) === 2 ? 120 : 200, cell(place));
    box.append(el("div", { className: "place" }, el("h2", { textContent: "Its place in the map" }), map));
  }
  const fate = held ? becomes(step, channel, place, shown) : [];
  if (fate.length) {
    const list = el("dl");
    for (const [words, figure, tone] of fate) list.append(el("dt", { textContent: words }), el("dd", { textContent: figure, className: tone || "" }));
    box.append(el("div", {}, el("h2", { textContent: "What becomes of it" }), list));
  }
  return box;
}
