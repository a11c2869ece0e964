// Look: the whole net as rows of maps; any cell opens the sum that made it, and a pixel of a feature can be flipped.

import { encode, lengthen, post, shorten } from "./api.js";
import { el, readColours } from "./colours.js";
import { cut, matched } from "./match.js";
import { addressOf, data, featureName, figure, input, load, steps, three, valueAt } from "./scene.js";
import { footer, netFacts, netName, remember, sentence, state, strong, told } from "./shell.js";
import { choose, drawSheet } from "./sheet.js";

export default async function open(main) {
  const net = await netFacts();
  const undo = el("button", { textContent: "Undo the flip", hidden: true, onclick: () => history.back() });
  const reset = el("button", { textContent: "All as learnt", hidden: true, onclick: () => (remember({ set: null }, { replace: false }), show()) });
  const another = el("button", { textContent: "Another example", onclick: () => (remember({ example: String(1 + (+state().get("example") || 0)), x: null }, { replace: false, hash: "" }), show()) });
  const { node: answer, say } = sentence([undo, reset, ...(net.name === "slides" ? [] : [another])]);
  const lens = el("aside", { id: "lens", tabIndex: -1, ariaLabel: "The sum behind a value" });
  const key = el("div", { className: "key", ariaHidden: "true" }, el("span", { textContent: net.name === "slides" ? "opposite, \u22121" : "against, \u22121" }), el("i"), el("span", { textContent: net.name === "slides" ? "1, match" : "1, for; each layer by its own largest values" }));
  main.append(
    answer,
    el("div", { id: "sheet" }, el("div", {}, el("div", { id: "layers" }), key), lens),
    footer(net.name === "slides" ? "Rows and columns count from 1. White is \u22121, black is 1. Figures are cut at two decimals, as on the slides." : "Rows and columns count from 1. Figures are rounded.", [
      [["←", "→", "↑", "↓"], "next cell"],
      [["[", "]"], "next map"],
      [["Esc"], "back to the sheet"],
    ]),
  );
  const path = `/api/nets/${encodeURIComponent(netName())}`;
  const summed = new Map(); // sums that the server wrote out

  // What is looked at: a drawing, or one of the examples in the model's folder.
  function asked() {
    const given = state();
    const bytes = net.drawable && given.has("x") ? lengthen(given.get("x"), net.shape[1] * net.shape[2]) : null;
    return { ...(bytes ? { x: encode(bytes) } : { example: +given.get("example") || 0 }), changes: changes() };
  }

  async function show() {
    if (net.name === "slides" && !state().has("x")) return firstLetter();
    try {
      const now = await post(`${path}/look`, asked());
      if (net.name === "slides") now.steps.forEach((one) => one.type !== "fc" && (one.scale = 1));
      load(now, {
        features: withLater(now),
        figure: now.divides ? cut : null,
        conv: now.divides ? matched : null,
        flip: now.whole ? flip : null,
        open: openSum,
        chosen: tell,
      });
    } catch (error) {
      return say(["Nothing to look at."], [told(error), " ", el("a", { className: "button", href: "/look?net=slides", textContent: "Open the X and O net" })]);
    }
    undo.hidden = reset.hidden = !state().has("set");
    drawSheet();
    openAddress();
  }

  async function firstLetter() {
    const { x } = await (await fetch("/api/letters/X?size=9")).json();
    remember({ x: shorten(Uint8Array.from(atob(x), (c) => c.charCodeAt(0))) });
    return show();
  }

  // The slides' names go with the features through the layers that keep them apart.
  const withLater = (now) => Object.fromEntries(now.steps.flatMap((one) => (now.features.conv1?.length === one.shape[0] && one.shape.length > 1 ? [[one.name, now.features.conv1]] : [])));

  function openAddress() {
    const [name, channel, ...place] = decodeURIComponent(location.hash.slice(1)).split("/");
    const step = name === input.name ? input : steps.find((one) => one.name === name);
    const numbers = [channel, ...place].map((v) => Number(v) - 1);
    if (step && numbers.every((n) => Number.isInteger(n) && n >= 0) && numbers[0] < step.shape[0]) choose(step, numbers[0], three(numbers.slice(1), 0));
    else if (data.start) choose(steps[data.start[0]], data.start[1], three(data.start.slice(2), 0));
    else if (steps.length) choose(steps.at(-1), data.answer, [0, 0, 0]);
  }

  function tell({ step, channel, place }) {
    const value = valueAt(step, channel, place);
    const which = net.classes[data.answer];
    const more = [`Point at any cell to open the sum that made it. ${data.whole ? "Flip a pixel of a feature and every map redraws. " : ""}The net says `, strong(which), "."];
    if (state().has("set")) more.push(" Some weights are flipped by hand; the model in its folder stays as it is.");
    if (value === undefined) return say([`${featureName(step, channel)} of ${step.name}.`], more);
    if (data.divides && step.type === "conv") {
      const agree = Math.round((value * 9 + 9) / 2);
      return say([agree === 9 ? "Nine pixels of nine agree, so the match is " : `${agree} of nine pixels agree, so the match is `, strong(figure(value)), "."], more);
    }
    const words = step === input ? "The net sees " : { conv: "Its sum is ", pool: "The largest of its window is ", relu: "What relu lets through is ", fc: "Its votes add up to " }[step.type] || "It is ";
    say([words, strong(figure(value)), " here."], more);
  }

  // Weights set by hand, as the address keeps them: key~place~value, one after the other.
  function changes() {
    return (state().get("set") || "")
      .split("_")
      .filter(Boolean)
      .map((one) => one.split("~"))
      .filter((one) => one.length === 3 && Number.isFinite(+one[2]))
      .map(([key, at, value]) => ({ key, at: at.split(".").map(Number), value: +value }));
  }

  function flip(step, [feature, channel], i) {
    const sizes = step.kernel;
    const place = sizes.map((n, axis) => Math.floor(i / sizes.slice(axis + 1).reduce((a, b) => a * b, 1)) % n);
    const at = [feature, channel, ...place];
    const key = `${step.name}.weight`;
    const each = sizes.reduce((a, b) => a * b, 1);
    const now = step.weight[(feature * (step.weight.length / step.shape[0] / each) + channel) * each + i];
    const kept = changes().filter((one) => one.key !== key || one.at.join() !== at.join());
    remember({ set: [...kept, { key, at, value: -now }].map((one) => `${one.key}~${one.at.join(".")}~${+one.value.toPrecision(8)}`).join("_") }, { replace: false });
    return show();
  }

  // A sum that this large net's pass has no room for: the server writes it out.
  function openSum(box, step, channel, place) {
    const at = [channel, ...place.slice(4 - step.shape.length)];
    const name = addressOf(step, channel, place);
    const words = el("p", { className: "sum", textContent: "Its sum is being written out." });
    box.append(words);
    if (!summed.has(name)) summed.set(name, post(`${path}/sum`, { ...asked(), step: step.name, at }));
    summed.get(name).then(
      (found) => {
        if (!step.sums?.some((one) => one.at.join() === at.join())) (step.sums ??= []).push(found);
        if (box.isConnected && location.hash.slice(1) === name) choose(step, channel, place);
      },
      (error) => (words.textContent = told(error)),
    );
  }

  const back = (event) => event.key === "Escape" && document.querySelector("#layers canvas.on")?.focus();
  addEventListener("keydown", back);
  addEventListener("hashchange", openAddress);
  await show();
  return {
    close: () => (removeEventListener("keydown", back), removeEventListener("hashchange", openAddress)),
    repaint: () => (readColours(), drawSheet(), openAddress()),
  };
}
