// Filtering as the slides do it, in four steps: line up, multiply, add, divide by the number of pixels.

import { css, el, minus, textOn, valueColour } from "./colours.js";
import { check, grid, labelled } from "./lens.js";
import { colour, data, featureName, hooks, plain, source } from "./scene.js";

const STEPS = ["Line up", "Multiply", "Add", "Divide"];

// Two decimals cut toward zero, as the slides print them; a float32 stands a hair beside its fraction.
export const cut = (v) => minus((Math.trunc((v + Math.sign(v) * 1e-6) * 100) / 100).toFixed(2).replace("-0.00", "0.00"));

// values, weights: of the patch and of the feature, whose weights were divided by the count beforehand.
export function matched(lens, { step, channel, shown, kernel, values, weights }) {
  const count = values.length;
  const feature = weights.map((w) => (Math.abs(w * count - Math.round(w * count)) < 1e-5 ? Math.round(w * count) : w * count));
  const patch = values.map((v) => (Math.abs(v - Math.round(v)) < 1e-6 ? Math.round(v) : v));
  const products = patch.map((v, i) => v * feature[i]);
  const sum = products.reduce((total, v) => total + v, 0);
  const agree = products.filter((v) => v > 0).length;
  const cell = Math.max(22, Math.min(50, Math.floor(170 / kernel[1])));
  const from = source(step);
  const isLast = (i) => el("p", { className: "facts", textContent: `Pointed at: ${plain(patch[i])} × ${plain(feature[i])} = ${plain(products[i])}. ${flipWords(i, sum, products, count)}` });
  const pointed = el("div", {}, el("p", { className: "facts", textContent: "Point at a cell to see its product; press a pixel of the feature to flip it." }));
  const line = el(
    "div",
    { className: "product" },
    labelled("patch", `of the ${data.noun}`, grid(patch, kernel, (v) => colour(from, v), { cell })),
    el("i", { textContent: "×" }),
    labelled(featureName(step, channel), "feature", grid(feature, kernel, (v) => valueColour(v), { cell, press: (i) => hooks.flip(step, [channel, 0], i) })),
    el("i", { className: "from-2", textContent: "=" }),
    labelled("products", "", grid(products, kernel, (v) => valueColour(v), { cell })),
  );
  line.lastChild.classList.add("from-2");
  line.querySelectorAll(".grid")[1].setAttribute("aria-label", `${featureName(step, channel)}, press a pixel to flip it`);
  line.addEventListener("mouseover", (event) => {
    const i = event.target.dataset?.i;
    if (i === undefined) return;
    line.querySelectorAll(".lit").forEach((one) => one.classList.remove("lit"));
    line.querySelectorAll(`[data-i="${i}"]`).forEach((one) => one.classList.add("lit"));
    pointed.replaceChildren(isLast(i));
  });
  const total = el("span", { className: "total", textContent: cut(sum / count) });
  const tone = valueColour(sum / count);
  total.style.cssText = `background:${css(tone)};color:${textOn(tone)}`;
  const terms = products.map((v, i) => (i ? (v < 0 ? `\u2212 ${plain(-v)}` : `+ ${plain(v)}`) : plain(v))).join(" ");
  lens.append(
    steps(lens),
    el("div", { className: "terms" }, line),
    pointed,
    el("p", { className: "sum from-3" }, `${terms} `, el("b", { textContent: `= ${plain(sum)}` })),
    el("div", { className: "result from-4" }, el("span", { textContent: `${plain(sum)} / ${count} pixels` }), el("span", { textContent: "=" }), total, el("small", { textContent: agree === count ? "the strongest match there is" : agree ? `${agree} of ${count} pixels agree` : "the opposite in every pixel" })),
  );
  const before = lens.childElementCount;
  check(lens, sum / count, shown);
  [...lens.children].slice(before).forEach((one) => one.classList.add("from-4"));
}

function flipWords(i, sum, products, count) {
  return `Flip this pixel of the feature and the match becomes ${plain(sum - 2 * products[i])} / ${count} = ${cut((sum - 2 * products[i]) / count)}.`;
}

// The four steps, numbered; "play" shows one after the other.
function steps(lens) {
  const marks = STEPS.map((words, i) => el("button", { className: "step", onclick: () => upTo(i + 1) }, el("b", { textContent: i + 1 }), ` ${words}`));
  const play = el("button", { textContent: "▶ play the four steps", onclick: run });
  let timer;
  function upTo(n) {
    clearTimeout(timer);
    lens.dataset.upto = n;
    marks.forEach((one, i) => one.setAttribute("aria-pressed", i + 1 === n));
  }
  function run() {
    upTo(1);
    const next = (n) => (timer = setTimeout(() => lens.isConnected && (upTo(n), n < 4 && next(n + 1)), 900));
    next(2);
  }
  upTo(4);
  return el("div", { className: "four" }, ...marks, play);
}

