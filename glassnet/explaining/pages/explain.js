// Draws one explanation: the maps of every layer, and for any value of them the sum that made it.
// All numbers stand in the page; nothing is fetched.

const data = JSON.parse(document.getElementById("data").textContent);
const unpack = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const input = { name: "image", type: "input", shape: data.shape, values: unpack(data.input), order: data.shape[0] > 3 ? [] : [...Array(data.shape[0]).keys()], inputs: [] };
const steps = data.steps.map((s) => ({ ...s, values: unpack(s.values), weight: s.weight && unpack(s.weight), bias: s.bias && unpack(s.bias) }));
const source = (step, i = 0) => (step.inputs[i] < 0 ? input : steps[step.inputs[i]]);
const FEW = data.shape.length === 4 ? 6 : 16; // maps of a layer that are drawn at once
const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

// Numbers and colours

const minus = (text) => text.replace("-", "\u2212");
const two = (v) => minus(Math.abs(v) < 0.005 ? "0.00" : v.toFixed(2));
const plain = (v) => (Number.isInteger(v) ? minus(String(v)) : two(v));
const signed = (v) => (v < 0 ? "" : "+") + two(v);
const size = (shape) => shape.join(" × ");

function toLab([r, g, b]) {
  const [x, y, z] = [r, g, b].map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  const l = Math.cbrt(0.4122214708 * x + 0.5363325363 * y + 0.0514459929 * z);
  const m = Math.cbrt(0.2119034982 * x + 0.6806995451 * y + 0.1073969566 * z);
  const s = Math.cbrt(0.0883024619 * x + 0.2817188376 * y + 0.6299787005 * z);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

function fromLab([L, a, b]) {
  const [l, m, s] = [L + 0.3963377774 * a + 0.2158037573 * b, L - 0.1055613458 * a - 0.0638541728 * b, L - 0.0894841775 * a - 1.291485548 * b].map((v) => v ** 3);
  return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s, -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s].map((v) =>
    Math.round(255 * Math.min(1, Math.max(0, v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055))),
  );
}

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const mix = (a, b, share) => fromLab(toLab(a).map((v, i) => v + (toLab(b)[i] - v) * share));
let palette, paper, ink;

function readColours() {
  const anchors = ["--v-1", "--v-05", "--v0", "--v05", "--v1"].map((name) => rgb(token(name)));
  palette = Array.from({ length: 201 }, (_, i) => {
    const at = i / 50;
    const low = Math.min(3, Math.floor(at));
    return mix(anchors[low], anchors[low + 1], at - low);
  });
  [paper, ink] = [rgb(token("--px0")), rgb(token("--px1"))];
}

const valueColour = (v) => palette[Math.round(100 + 100 * Math.max(-1, Math.min(1, v)))];
const [darkest, brightest] = input.values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
function pixelColour(v) {
  const share = (v - darkest) / (brightest - darkest || 1);
  return data.ink ? mix(paper, ink, share) : [0, 1, 2].map(() => Math.round(255 * share));
}
const isPixels = (step) => step === input && data.shape[0] === 1;
const colour = (step, v) => (isPixels(step) ? pixelColour(v) : valueColour(v / (step.scale || Math.max(-darkest, brightest))));
const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
const light = ([r, g, b]) => [r, g, b].map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const textOn = (c) => (1.05 / (light(c) + 0.05) > (light(c) + 0.05) / 0.05 ? "#fff" : "#000");

// Maps as canvases

// A place is [slice, row, column]; a map of fewer axes has one slice, or one row. Slices are drawn side by side.
const cube = (step) => [1, 1, 1].concat(step.shape.slice(1)).slice(-3);
const acrossOf = ([d]) => Math.ceil(Math.sqrt(d));
const sheetOf = ([d, h, w]) => [Math.ceil(d / acrossOf([d])) * h, acrossOf([d]) * w];
const onSheet = ([d, h, w], [i, r, c]) => [Math.floor(i / acrossOf([d])) * h + r, (i % acrossOf([d])) * w + c];
const gridOf = (step) => sheetOf(cube(step));
const axesOf = (step) => step.shape.length - 1;
const three = (v, fill) => (Array.isArray(v) ? [fill, fill, fill].concat(v).slice(-3) : null);
const factor = (step) => step.factor || 1;
const holds = (step, channel) => step === input || step.order.includes(channel); // a large net's page lacks the weaker maps
const mapCube = (step) => cube(step).map((n) => Math.ceil(n / factor(step)));

function valueAt(step, channel, place) {
  const k = step.factor ? step.order.indexOf(channel) : channel;
  return step.values[place.reduce((at, i, axis) => at * mapCube(step)[axis] + Math.floor(i / factor(step)), k)];
}

function* places([d, h, w]) {
  for (let i = 0; i < d; i++) for (let r = 0; r < h; r++) for (let c = 0; c < w; c++) yield [i, r, c];
}

function drawMap(canvas, step, channel, side, box) {
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

const asDrawn = () => (axesOf(input) === 1 ? data.pictured : gridOf(input)); // a series is drawn as lines

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

function drawInput(canvas, side, box) {
  if (isPixels(input) && axesOf(input) === 2) drawMap(canvas, input, 0, side, box);
  else drawPicture(canvas, side, box);
}

// The sheet of layers

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
    drawPicture(canvas, axesOf(input) === 1 ? 240 : 96);
    return box;
  }
  add(step.order.slice(0, FEW));
  if (step.order.length > FEW) {
    const more = el("button", { type: "button", textContent: `all ${step.order.length}` });
    more.addEventListener("click", () => (more.remove(), add(step.order.slice(FEW))));
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

const cell = (place) => [...place, ...place.map((i) => i + 1)];

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

// The nearest place before n whose value is in the page.
const snap = (step, n) => n - (n % factor(step));

// The place in words, by the names of the axes that the step has: "row 3, column 5".
function inWords(step, place) {
  const names = data.axes.slice(-axesOf(step) || data.axes.length);
  const spelt = (axis, i) => (step === input && axis.at.length ? axis.at[i] : `${axis.name} ${i + 1}`);
  return names.map((axis, i) => spelt(axis, place[3 - names.length + i])).join(", ");
}

function hint(canvas, step, channel, place) {
  canvas.title = `feature ${channel + 1}, ${inWords(step, place)}: ${two(valueAt(step, channel, place))}`;
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

// The sum behind a value

function choose(step, channel, place) {
  const before = chosen;
  chosen = { step, channel, place };
  if (before) paint(before.step, before.channel);
  if (!sheets.get(step)?.has(channel)) sheets.get(step)?.size && [...document.querySelectorAll(".maps button")].forEach((b) => b.parentNode.contains([...sheets.get(step).values()][0]) && b.click());
  paint(step, channel);
  history.replaceState(null, "", `#${addressOf(step, channel, place)}`);
  openLens();
}

const addressOf = (step, channel, place) => [step.name, channel + 1, ...place.slice(3 - axesOf(step)).map((i) => i + 1)].join("/");
const capital = (words) => words[0].toUpperCase() + words.slice(1);

function title({ step, channel, place }) {
  if (step === input) return capital(`${inWords(step, place)} of the ${data.noun}`);
  const where = axesOf(step) ? capital(`${inWords(step, place)} of feature ${channel + 1}`) : `Value ${channel + 1}`;
  return `${where} in ${step.name}`;
}

function openLens() {
  const lens = document.getElementById("lens");
  const { step, channel, place } = chosen;
  const held = holds(step, channel);
  const shown = held ? valueAt(step, channel, place) : null;
  lens.replaceChildren(el("h3", { textContent: title(chosen) }));
  const write = { embed, conv, pool, relu, gelu, batchnorm, fc: sumOfValues, mean, max, add }[step.type];
  const lacks = ["pool", "relu", "gelu", "batchnorm", "add"].includes(step.type) && step.inputs.some((_, i) => !holds(source(step, i), channel));
  if (step === input) lens.append(el("p", { className: "sum", textContent: `The net sees ${two(shown)} here.` }));
  else if (!held && !(step.type === "conv" && partTerms(step, channel, place))) lens.append(el("p", { className: "sum", textContent: "This page holds the strongest maps of each layer; this is a weaker one." }));
  else if (lacks) lens.append(el("p", { className: "sum", textContent: `${two(shown)}. The map that it was made from is not in this page.` }));
  else if (write) write(lens, step, channel, place, shown);
  lens.append(after(step, channel, place, shown, held));
}

function grid(values, [h, w], paintCell, { number = plain, cell, won } = {}) {
  const px = cell || Math.max(10, Math.min(50, Math.floor(160 / w)));
  const box = el("div", { className: "grid" });
  box.style.gridTemplateColumns = `repeat(${w}, ${px}px)`;
  values.forEach((v, i) => {
    const c = v === null ? null : paintCell(v);
    const one = el("span", { textContent: px >= 34 && v !== null ? number(v) : "", title: v === null ? "beyond the edge" : number(v) });
    one.style.cssText = `height:${px}px;${c ? `background:${css(c)};color:${textOn(c)}` : "background:var(--wash)"}`;
    one.dataset.i = i;
    if (i === won) one.className = "won";
    box.append(one);
  });
  return box;
}

function labelled(strong, rest, content) {
  return el("div", {}, el("span", {}, el("b", { textContent: strong }), ` ${rest}`), content);
}

function channelName(from, channel) {
  if (from !== input) return `feature ${channel + 1}`;
  return data.shape[0] === 3 ? ["red", "green", "blue"][channel] : data.shape[0] === 1 ? "patch" : `channel ${channel + 1}`;
}

// One line "patch × feature = products" of a convolution. values, weights: of the whole kernel, null beyond the edge.
function productLine(from, channel, kernel, values, weights, most, cell) {
  const products = values.map((v, i) => (v === null ? null : v * weights[i]));
  const scale = Math.max(...products.map((v) => Math.abs(v || 0)), 1e-12);
  const parts = [
    labelled(channelName(from, channel), from === input ? `of the ${data.noun}` : `of ${from.name}`, grid(values, kernel, (v) => colour(from, v), { cell })),
    el("i", { textContent: "×" }),
    labelled("feature", "weights", grid(weights, kernel, (v) => valueColour(v / most), { cell })),
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
  const part = step.weight ? null : partTerms(step, channel, place);
  if (!step.weight && !part) {
    const best = step.sums?.find((s) => s.at[0] === channel);
    lens.append(el("p", { className: "sum", textContent: `About ${two(shown)}. This page holds the sum of this map's strongest place only.` }));
    if (best) lens.append(linkTo(step, channel, three(best.at.slice(1), 0), "Open it"));
    return;
  }
  const all = part ? part.rows : kernelTerms(step, channel, place).sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const open = all.slice(0, 3);
  const most = Math.max(...open.flatMap((one) => one.weights.map(Math.abs)), 1e-12);
  const cell = Math.max(10, Math.min(open.length > 1 ? 36 : 50, Math.floor(170 / open[0].kernel[1])));
  lens.append(el("div", { className: "terms" }, ...open.map((one) => productLine(from, one.channel, one.kernel, one.values, one.weights, most, cell))));
  lens.append(el("p", { className: "facts", textContent: "Point at a cell to see its product." }));
  const rest = part ? part.others[0] : all.length - open.length;
  const sum = part ? part.total - part.bias : all.reduce((total, one) => total + one.sum, 0);
  const bias = part ? part.bias : step.bias[channel];
  const pixels = part ? part.count : all.length * open[0].values.length;
  lens.append(el("p", { className: "sum", textContent: sumInWords(open, rest, sum, pixels) }));
  result(lens, bias ? `${two(sum)} ${bias < 0 ? "\u2212" : "+"} ${two(Math.abs(bias))} bias` : two(sum), sum + bias, colour(step, sum + bias));
  lens.append(el("p", { className: "facts", textContent: `Divided by the number of pixels, as on the slides: ${two(sum)} / ${pixels} = ${two(sum / pixels)}.` }));
  check(lens, sum + bias, part ? part.net : shown);
}

function sumInWords(open, rest, sum, pixels) {
  if (open.length === 1 && !rest && pixels <= 9) {
    const terms = open[0].values.map((v, i) => (v === null ? 0 : v * open[0].weights[i]));
    return `${terms.map((v, i) => (i ? (v < 0 ? "\u2212 " : "+ ") + two(Math.abs(v)) : two(v))).join(" ")} = ${two(sum)}`;
  }
  const parts = open.map((one) => two(one.sum)).join(", ");
  const others = sum - open.reduce((total, one) => total + one.sum, 0);
  return `${pixels} products add up to ${two(sum)}: ${parts}${rest ? `, and ${two(others)} from ${rest} weaker channel${rest > 1 ? "s" : ""}` : ""}.`;
}

function result(lens, words, value, c) {
  const total = el("span", { className: "total", textContent: two(value) });
  total.style.cssText = `background:${css(c)};color:${textOn(c)}`;
  lens.append(el("div", { className: "result" }, el("span", { textContent: words }), el("span", { textContent: "=" }), total));
}

function check(lens, mine, net) {
  const apart = Math.abs(mine - net);
  lens.append(el("p", { className: "facts", textContent: `The net itself computed ${minus(net.toFixed(4))} here; this sum agrees to ${Math.max(apart, 1e-7).toFixed(7)}.` }));
}

function embed(lens, step, channel, place, shown) {
  lens.append(el("p", { className: "sum", textContent: `Of the word ${data.axes[0].at[place[2]]} this is number ${channel + 1} of ${step.shape[0]}, learnt in training.` }));
  result(lens, "looked up", shown, colour(step, shown));
}

function pool(lens, step, channel, place, shown) {
  const from = source(step);
  const window = windowOf(step);
  const at = under(step, window, place);
  const values = at.map((one) => (inside(cube(from), one) ? valueAt(from, channel, one) : null));
  if (factor(from) > 1) return lens.append(el("p", { className: "sum", textContent: `The maximum of its window: about ${two(shown)}.` }));
  const won = values.indexOf(Math.max(...values.filter((v) => v !== null)));
  lens.append(labelled(`window of ${size(window.slice(3 - axesOf(step)))}`, `in ${from.name}; cells beyond the edge are left out`, grid(values, flatKernel(window), (v) => colour(from, v), { number: two, won })));
  result(lens, "the maximum", values[won], colour(step, values[won]));
  check(lens, values[won], shown);
  lens.append(linkTo(from, channel, at[won], `Where it comes from: ${inWords(from, at[won])} of ${from.name}`));
}

function relu(lens, step, channel, place, shown) {
  const from = source(step);
  const v = valueAt(from, channel, place);
  lens.append(el("p", { className: "sum", textContent: v > 0 ? `${two(v)} is positive and stays.` : `${two(v)} is negative and becomes zero.` }));
  result(lens, `the larger of 0 and ${two(v)}`, Math.max(0, v), colour(step, Math.max(0, v)));
  check(lens, Math.max(0, v), shown);
  lens.append(linkTo(from, channel, place, `Where it comes from: the same place in ${from.name}`));
}

function gelu(lens, step, channel, place, shown) {
  const from = source(step);
  const v = valueAt(from, channel, place);
  const share = below(v);
  lens.append(el("p", { className: "sum", textContent: `Of ${two(v)} a share of ${two(share)} is let through: the more, the larger it is.` }));
  result(lens, `${two(v)} × ${two(share)}`, v * share, colour(step, v * share));
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
  if (!step.weight) return lens.append(el("p", { className: "sum", textContent: `About ${two(shown)}: its input, scaled and shifted.` }));
  const v = valueAt(from, channel, place);
  const [weight, bias] = [step.weight[channel], step.bias[channel]];
  lens.append(el("p", { className: "sum", textContent: "Each map is brought to the same spread: its own factor and shift, learnt in training." }));
  result(lens, `${two(v)} × ${two(weight)} ${bias < 0 ? "\u2212" : "+"} ${two(Math.abs(bias))}`, v * weight + bias, colour(step, v * weight + bias));
  check(lens, v * weight + bias, shown);
  lens.append(linkTo(from, channel, place, `Where it comes from: the same place in ${from.name}`));
}

function mean(lens, step, channel, place, shown) {
  const from = source(step);
  const [h, w] = flatKernel(cube(from));
  if (!step.factor && !from.factor) {
    const values = [...places(cube(from))].map((one) => valueAt(from, channel, one));
    lens.append(labelled(`feature ${channel + 1}`, `of ${from.name}`, grid(values, [h, w], (v) => colour(from, v), { number: two, cell: Math.max(8, Math.min(44, Math.floor(240 / w))) })));
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
  if (a === undefined || b === undefined || step.factor) return lens.append(el("p", { className: "sum", textContent: `About ${two(shown)}: the sum of two maps.` }));
  result(lens, `${two(a)} ${b < 0 ? "\u2212" : "+"} ${two(Math.abs(b))}`, a + b, colour(step, a + b));
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
  const seen = fieldOf(step, place);
  if (seen) {
    const picture = el("canvas");
    drawInput(picture, axesOf(input) === 2 ? 120 : 200, seen);
    box.append(el("div", { className: "place" }, el("h2", { textContent: `Its place in the ${data.noun}` }), picture));
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

// What a layer does along the axes that it has, and what leaves an axis that it lacks as it is.
const along = (step, v, fill) => three(v, fill) || [0, 1, 2].map((axis) => (axis < 3 - axesOf(step) ? fill : v));
const windowOf = (step) => along(step, step.type === "conv" ? step.kernel : step.window, 1);
const strideOf = (step) => along(step, step.stride, 1);
const pads = (step) => along(step, step.padding, 0);

// The part of the input that a value sees: [slices, rows, columns from, to], walking back window by window.
function fieldOf(step, place) {
  let box = cell(place);
  for (let at = step; at !== input; at = source(at)) {
    if (at.shape.length < 2) return null;
    if (at.type !== "conv" && at.type !== "pool") continue;
    const [k, s, p] = [windowOf(at), strideOf(at), pads(at)];
    const from = cube(source(at));
    const low = [0, 1, 2].map((i) => Math.max(0, box[i] * s[i] - p[i]));
    const high = [0, 1, 2].map((i) => Math.min(from[i], (box[i + 3] - 1) * s[i] - p[i] + k[i]));
    box = [...low, ...high];
  }
  return box;
}

function becomes(step, channel, place, shown) {
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
      if (next.type !== "dropout") lines.push([next.type === "relu" ? (v ? "relu keeps" : "relu makes it") : `${next.type} makes it`, two(v)]);
      if (next.type === "relu" && !v) break;
      shown = v;
    } else if (next.type === "pool") {
      const [sizes, stride, pad] = [cube(next), strideOf(next), pads(next)];
      place = place.map((i, axis) => Math.min(sizes[axis] - 1, Math.floor((i + pad[axis]) / stride[axis])));
      const v = valueAt(next, channel, place);
      const won = Math.abs(v - shown) < 1e-6;
      lines.push([won ? "pool: wins its window" : "pool: loses to", two(v)]);
      if (!won) break;
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

// Where the answer comes from

// A sentence with its words on the colours of the values at their places.
function drawWords(canvas, values, most) {
  const words = el("p", { className: "words" });
  data.axes[0].at.forEach((word, i) => {
    const plain = word.slice(1, -1).trim();
    if (!plain) return;
    const c = valueColour((values[Math.min(values.length - 1, Math.floor((i * values.length) / data.axes[0].at.length))] || 0) / most);
    const one = el("span", { textContent: plain, title: signed(values[i] || 0) });
    one.style.cssText = `background:${css(c)};color:${textOn(c)}`;
    words.append(one, " ");
  });
  canvas.parentNode.querySelector(".words")?.remove();
  canvas.hidden = true;
  canvas.after(words);
}

function drawHeat(id, heat) {
  const canvas = document.getElementById(id);
  if (!canvas || !heat) return;
  const whole = three(heat.shape, 1);
  const [h, w] = sheetOf(whole);
  const [ih, iw] = asDrawn();
  const values = unpack(heat.values);
  const most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-12);
  if (data.axes[0].name === "word") {
    drawWords(canvas, values, most);
    return values.reduce((m, v) => Math.max(m, v), 0);
  }
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
    [...places(whole)].forEach((place, k) => {
      const [r, c] = onSheet(whole, place);
      const [x0, x1, y0, y1] = [c / w, (c + 1) / w, r / h, (r + 1) / h].map((v, i) => Math.round(v * (i < 2 ? canvas.width : canvas.height)));
      pen.fillStyle = css(valueColour(values[k] / most));
      pen.fillRect(x0, y0, x1 - x0, y1 - y0);
    });
  };
  image.src = data.picture;
  return values.reduce((m, v) => Math.max(m, v), 0);
}

function drawAll() {
  readColours();
  const box = document.getElementById("layers");
  sheets.clear();
  box.replaceChildren(layerRow(input), ...steps.filter(shows).map(layerRow));
  drawInput(document.getElementById("seen"), 200);
  drawHeat("voted", data.voted);
  document.getElementById("most").textContent = signed(drawHeat("occluded", data.occluded));
}

function openAddress() {
  const [name, channel, ...place] = decodeURIComponent(location.hash.slice(1)).split("/");
  const step = name === "image" ? input : steps.find((one) => one.name === name);
  const numbers = [channel, ...place].map((v) => Number(v) - 1);
  if (step && numbers.every((n) => Number.isInteger(n) && n >= 0) && numbers[0] < step.shape[0]) choose(step, numbers[0], three(numbers.slice(1), 0));
  else if (data.start) choose(steps[data.start[0]], data.start[1], three(data.start.slice(2), 0));
}

drawAll();
openAddress();
addEventListener("hashchange", openAddress);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (drawAll(), openAddress()));
