// A strip of the whole training: a slider over its moments, with the features above it.

import { el } from "./colours.js";
import { feature, unpacked } from "./filters.js";

const THUMBS = 10;

// to(i): a moment was chosen. live(): back to the newest.
export function scrubber({ to, live }) {
  const slider = el("input", { type: "range", min: 0, step: 1, ariaLabel: "Moment of the training" });
  const words = el("span", { className: "facts" });
  const newest = el("button", { type: "button", textContent: "To the newest", onclick: live });
  const strip = el("div", { className: "strip" });
  const node = el("section", { className: "scrub", hidden: true }, el("h2", { textContent: "Scrub through the training" }), strip, slider, el("p", { className: "under" }, words, newest));
  let drawn = "";
  slider.addEventListener("input", () => to(+slider.value));

  // moments: with features, told: of the first layer. i: of the one that is shown.
  function show({ moments, i, live: isLive, epochs, words: said, told }) {
    slider.max = moments.length - 1;
    slider.value = i;
    const epoch = `epoch ${+moments[i].epoch.toFixed(2)} of ${epochs}`;
    slider.setAttribute("aria-valuetext", epoch);
    words.replaceChildren(el("b", { textContent: epoch }), said ? `, ${said}` : "");
    newest.hidden = isLive;
    const kept = moments.filter((one) => one.features);
    const now = [kept.length, kept.at(-1)?.epoch].join();
    if (!told || now === drawn) return;
    drawn = now;
    const some = Array.from({ length: Math.min(THUMBS, kept.length) }, (_, k, n = Math.min(THUMBS, kept.length)) => kept[n > 1 ? Math.round((k * (kept.length - 1)) / (n - 1)) : 0]);
    strip.replaceChildren(...some.map((one) => {
      const values = unpacked(one.features);
      return el("span", {}, ...Array.from({ length: Math.min(3, told.shown) }, (_, k) => feature(values, k, told.shape)));
    }));
    strip.setAttribute("aria-hidden", "true");
  }
  return { node, show };
}
