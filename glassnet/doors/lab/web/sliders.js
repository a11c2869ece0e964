// The four knobs of the trickier cases. A slider's track is its consequence: who leads at every position, and by how much.

import { el, two } from "./colours.js";

const SVG = "http://www.w3.org/2000/svg";
const KNOBS = {
  shift: { low: -3, high: 3, step: 0.25, rest: 0, words: (v) => `${+v.toFixed(2)} px`, grows: true },
  scale: { low: 0.5, high: 1.5, step: 0.05, rest: 1, words: (v) => v.toFixed(2) },
  rotate: { low: -90, high: 90, step: 1, rest: 0, words: (v) => `${Math.round(v)}°` },
  weight: { low: 0.6, high: 3, step: 0.1, rest: 1, words: (v) => v.toFixed(1), grows: true },
};
const [WIDTH, LINE, HILL] = [180, 34, 20];
const svg = (tag, props) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  return node;
};

export function sliders(net, { change, release }) {
  const round = (v, step) => Math.round(v / step) * step;
  const unit = (name) => (KNOBS[name].grows ? net.shape[1] / 9 : 1);
  const title = el("small", {});
  const parts = Object.entries(KNOBS).map(([name, knob]) => {
    const track = svg("svg", { viewBox: `0 0 ${WIDTH} 52`, "aria-hidden": "true" });
    const input = el("input", { type: "range", min: round(knob.low * unit(name), knob.step), max: round(knob.high * unit(name), knob.step), step: knob.step, value: knob.rest, id: `knob-${name}` });
    const shown = el("output", {});
    input.addEventListener("input", () => change(name, +input.value));
    input.addEventListener("change", release);
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Home") return;
      event.preventDefault();
      change(name, knob.rest);
    });
    return { name, knob, track, input, shown, node: el("div", { className: "slider" }, el("label", { htmlFor: `knob-${name}`, textContent: name }), el("div", { className: "track" }, track, input), shown) };
  });
  let leads = {};

  function spoken({ name, knob, input, shown }) {
    const value = +input.value;
    shown.textContent = knob.words(value).replace("-", "\u2212");
    input.setAttribute("aria-valuetext", `${knob.words(value)}${leads[name] ? `, ${leads[name](value)}` : ""}`);
  }

  return {
    node: el("section", { className: "knobs", ariaLabel: "Trickier cases" }, el("h2", {}, "Trickier cases ", title), ...parts.map((one) => one.node)),
    set(knobs) {
      for (const one of parts) {
        one.input.value = knobs[one.name];
        spoken(one);
      }
    },
    // found: a knob's positions and the logits there. Whose lead is drawn: the letter's, if one was drawn, else the answer's.
    hills(found, pass, letter) {
      if (!pass) return;
      const k = Math.max(letter ? net.classes.indexOf(letter) : pass.answer, 0);
      title.textContent = `${net.classes[k]}\u2019s lead at every position`;
      const lead = (logits) => logits[k] - Math.max(...logits.filter((_, i) => i !== k));
      const most = Math.max(1e-6, ...Object.values(found).flatMap(({ logits }) => logits.map((one) => Math.abs(lead(one)))));
      for (const one of parts) {
        const { at, logits } = found[one.name];
        const ends = logits.map(lead);
        const [low, high] = [+one.input.min, +one.input.max];
        const x = (i) => 8 + Math.min(1, Math.max(0, (at[i] - low) / (high - low))) * (WIDTH - 16);
        const y = (v) => LINE - (v / most) * HILL;
        const hill = (sign) => `M${x(0)} ${LINE} ${ends.map((v, i) => `L${x(i).toFixed(1)} ${y(sign * Math.max(0, sign * v)).toFixed(1)}`).join(" ")} L${x(at.length - 1)} ${LINE}Z`;
        const flips = [];
        ends.forEach((v, i) => {
          const who = logits[i].indexOf(Math.max(...logits[i]));
          if (v < 0 && flips.at(-1)?.who === who && flips.at(-1).to === i - 1) flips.at(-1).to = i;
          else if (v < 0) flips.push({ who, from: i, to: i });
        });
        one.track.replaceChildren(
          svg("path", { d: hill(1), class: "hill for" }),
          svg("path", { d: hill(-1), class: "hill against" }),
          ...ends.slice(1).map((v, i) => svg("line", { x1: x(i), x2: x(i + 1), y1: LINE, y2: LINE, class: `lead ${Math.min(v, ends[i]) < 0 ? "against" : "for"}` })),
          ...flips.slice(0, 4).map(({ who, from, to }) => {
            const text = svg("text", { x: (x(from) + x(to)) / 2, y: 51, class: "flip" });
            text.textContent = net.classes[who];
            return text;
          }),
        );
        leads[one.name] = (value) => {
          const nearest = at.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(at[best] - value) ? i : best), 0);
          const who = logits[nearest].indexOf(Math.max(...logits[nearest]));
          return `${net.classes[who]} leads by ${two(Math.max(...logits[nearest]) - Math.max(...logits[nearest].filter((_, i) => i !== who)))}`;
        };
        spoken(one);
      }
    },
  };
}
