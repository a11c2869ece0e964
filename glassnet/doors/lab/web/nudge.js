// One weight moved up and down: the error that was measured at each value, the slope there, and what moving it does.

import { post } from "./api.js";
import { el, signed, two } from "./colours.js";
import { svg } from "./plots.js";
import { told } from "./shell.js";

const [WIDTH, HEIGHT, EDGE] = [280, 110, 12];

// run(): the training's name, or null while none is under way. shape(): (rows, columns) of a feature; count(): of features.
export function nudge({ run, shape, count }) {
  let found = null; // what was measured last
  let before = null; // the weight's value before it was moved
  const numbers = ["feature", "row", "column"].map((name) => el("input", { type: "number", min: 1, value: 1, id: `nudge-${name}` }));
  const [feature, row, column] = numbers;
  const slider = el("input", { type: "range", step: "any", ariaLabel: "the weight's value", hidden: true });
  const value = el("output", {});
  const set = el("button", { type: "button", textContent: "Keep", hidden: true, onclick: () => move(+slider.value) });
  const undo = el("button", { type: "button", textContent: "Undo", hidden: true, onclick: () => move(before, true) });
  const measured = el("div", { className: "measured" });
  const words = el("p", { className: "facts" });
  words.setAttribute("role", "status");
  const node = el(
    "section",
    { className: "nudge", hidden: true, ariaLabel: "Nudge one weight" },
    el("h2", { textContent: "Nudge one weight" }),
    el("p", { className: "place" }, ...["feature", "row", "column"].flatMap((name, i) => [el("label", { htmlFor: `nudge-${name}`, textContent: name }), numbers[i]])),
    measured, el("p", { className: "move" }, slider, value, set, undo), words,
  );
  for (const one of numbers) one.addEventListener("change", () => measure());
  slider.addEventListener("input", () => ((value.textContent = two(+slider.value)), draw()));

  async function measure(said = "") {
    if (!run()) return;
    const [rows, columns] = shape();
    feature.max = count();
    [row.max, column.max] = [rows, columns];
    for (const one of numbers) one.value = Math.min(+one.max, Math.max(1, Math.round(+one.value) || 1));
    try {
      found = await post(`/api/trainings/${encodeURIComponent(run())}/measure`, { feature: feature.value - 1, place: [row.value - 1, column.value - 1] });
    } catch (error) {
      found = null;
      measured.replaceChildren();
      words.textContent = told(error);
      return;
    }
    if (!said) before = null;
    [slider.min, slider.max] = [found.values[0], found.values.at(-1)];
    slider.value = found.value;
    value.textContent = two(found.value);
    for (const one of [slider, set]) one.hidden = false;
    undo.hidden = before === null;
    draw(said);
  }

  async function move(to, back = false) {
    const was = found.value;
    try {
      await post(`/api/trainings/${encodeURIComponent(run())}/weight`, { key: found.key, index: found.index, value: to });
    } catch (error) {
      words.textContent = told(error);
      return;
    }
    before = back ? null : (before ?? was);
    await measure(back ? `Back at ${two(to)}.` : `Moved from ${two(was)} to ${two(to)}; the training goes on from there.`);
  }

  const at = (v) => {
    const i = found.values.findLastIndex((one) => one <= v);
    if (i >= found.values.length - 1) return found.errors.at(-1);
    const share = (v - found.values[i]) / (found.values[i + 1] - found.values[i]);
    return found.errors[i] + share * (found.errors[i + 1] - found.errors[i]);
  };

  function draw(said = "") {
    const { values, errors, slope, examples } = found;
    const [low, high] = [Math.min(...errors), Math.max(...errors)];
    const x = (v) => EDGE + ((v - values[0]) / (values.at(-1) - values[0])) * (WIDTH - 2 * EDGE);
    const y = (e) => EDGE + (1 - (e - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE);
    const here = +slider.value;
    const reach = (values.at(-1) - values[0]) / 5;
    const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`, role: "img", "aria-label": `error from ${two(low)} to ${two(high)} as the weight goes from ${two(values[0])} to ${two(values.at(-1))}` });
    const tangent = (v) => found.error + slope * (v - found.value);
    picture.append(
      svg("line", { x1: EDGE, x2: WIDTH - EDGE, y1: HEIGHT, y2: HEIGHT, class: "axis" }),
      svg("path", { d: values.map((v, i) => `${i ? "L" : "M"}${x(v).toFixed(1)} ${y(errors[i]).toFixed(1)}`).join(""), class: "held" }),
      svg("line", { x1: x(found.value - reach), y1: y(tangent(found.value - reach)), x2: x(found.value + reach), y2: y(tangent(found.value + reach)), class: "tangent" }),
      svg("circle", { cx: x(here), cy: y(at(here)), r: 5, class: "dot look" }),
    );
    for (const [v, anchor] of [[values[0], "start"], [0, "middle"], [values.at(-1), "end"]]) {
      const label = svg("text", { x: x(v), y: HEIGHT + 15, "text-anchor": anchor });
      label.textContent = two(v);
      picture.append(label);
    }
    measured.replaceChildren(picture);
    const way = Math.abs(slope) < 1e-4 ? "flat: leave it" : slope < 0 ? "raise it" : "lower it";
    words.textContent = said || `Error ${two(at(here))}, measured over ${examples} examples; slope ${signed(slope)}: ${way}.`;
  }

  return {
    node,
    pick(k, [r, c]) {
      [feature.value, row.value, column.value] = [k + 1, r + 1, c + 1];
      measure();
    },
    show(isThere) {
      if (node.hidden === !isThere) return;
      node.hidden = !isThere;
      if (isThere && !found) words.textContent = "Press a pixel of a feature, or name one here, to see what moving that weight would do.";
    },
    focus: () => feature.focus(),
  };
}
