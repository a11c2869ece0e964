// The knobs of the next training: its data, its net, how it learns. What can't be is refused with the arithmetic.

import { post } from "./api.js";
import { el } from "./colours.js";
import { remember, state, told } from "./shell.js";

const CASES = { shift: "px", scale: "of the size", rotate: "degrees", weight: "px" }; // the trickier cases of X's and O's
const STAGE = { features: ["features", "how many pieces to match"], size: ["size", "of each feature"], window: ["pool", "window"], stages: ["stages", "conv, relu, pool"], neurons: ["neurons", "before the votes; 0: none"] };
const LEARN = { epochs: ["epochs", 1, 1], rate: ["learning rate", 0.00001, "any"], seed: ["seed", 0, 1] };
const wait = (ms) => new Promise((next) => setTimeout(next, ms));

// begin(body): starts a training. shown(data): what the page shows of the data while nothing is trained. ready(whether
// it can be trained).
export function knobs({ begin, shown, ready }) {
  const given = state();
  let data = null; // what the server knows of the named data
  let net = null; // what it says of the net's text
  let turn = 0; // of questions about the data: a late answer to an earlier one is dropped

  const field = el("input", { type: "text", id: "learn-data", value: given.get("data") || "xo", autocomplete: "off", spellcheck: false });
  field.setAttribute("list", "learn-known");
  const wrong = el("p", { className: "refusal", id: "learn-wrong", role: "alert", hidden: true });
  const facts = el("p", { className: "facts" });
  const cases = el("div", { className: "cases" });
  const size = row("pixels", "of the longer side", "size", given.get("size"), 4, 1);
  const stage = el("div", { className: "stage" });
  const text = el("textarea", { id: "learn-net", rows: 3, spellcheck: false, value: given.get("text") || "" });
  const refusal = el("div", { className: "refused", role: "status", hidden: true });
  const learn = Object.entries(LEARN).map(([name, [label, low, step]]) => row(label, "", name, given.get(name) ?? (name === "seed" ? "0" : ""), low, step));
  const press = el("button", { type: "submit", className: "main", textContent: "Train" });
  const why = el("span", { className: "facts" });
  const node = el(
    "form",
    { className: "knob-form", id: "learn-form", ariaLabel: "Knobs of the next training" },
    el("h2", { textContent: "Knobs of the next training" }),
    el("div", { className: "row wide" }, el("label", { htmlFor: field.id }, "data ", el("small", { textContent: "xo, digits, or a path on this machine" })), field),
    el("datalist", { id: "learn-known" }, el("option", { value: "xo" }), el("option", { value: "digits" })),
    wrong, facts, cases, size.node, stage,
    el("div", { className: "row wide" }, el("label", { htmlFor: text.id }, "net ", el("small", { textContent: "its layers, in order" })), text),
    refusal, ...learn.map((one) => one.node),
    el("div", { className: "go" }, press, why),
  );
  field.setAttribute("aria-describedby", wrong.id);
  for (const [name, unit] of Object.entries(CASES)) cases.append(range(name, unit));

  // A row with a number, a button for less and one for more. "" leaves the choice to glassnet.
  function row(label, hint, name, value, low, step) {
    const input = el("input", { type: "number", id: `learn-${name}`, min: low, step, value: value ?? "", placeholder: "auto" });
    const by = (k) => () => {
      if (step === "any") input.value = +(input.value * (k > 0 ? 2 : 0.5)).toPrecision(3) || "";
      else k > 0 ? input.stepUp() : input.stepDown();
      input.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const less = el("button", { type: "button", textContent: "\u2212", onclick: by(-1), ariaLabel: `less ${label}` });
    const more = el("button", { type: "button", textContent: "+", onclick: by(1), ariaLabel: `more ${label}` });
    return { name, input, node: el("div", { className: "row" }, el("label", { htmlFor: input.id }, label, ...(hint ? [el("small", { textContent: hint })] : [])), el("span", { className: "stepper" }, less, input, more)) };
  }

  function range(name, unit) {
    const [low, high] = (given.get(name) || "").split(":");
    const one = (which, value) => el("input", { type: "number", step: "any", value: value ?? "", placeholder: "usual", ariaLabel: `${name}, ${which}`, id: `learn-${name}-${which}` });
    return el("div", { className: "row" }, el("span", {}, name, el("small", { textContent: unit })), el("span", { className: "range" }, one("lowest", low), "to", one("highest", high)));
  }

  const number = (id) => {
    const typed = node.querySelector(`#learn-${id}`)?.value;
    return typed === undefined || typed === "" ? null : Number(typed);
  };
  const span = (name) => {
    const [low, high] = [number(`${name}-lowest`), number(`${name}-highest`)];
    return low === null && high === null ? null : [low ?? high, high ?? low];
  };
  const isXo = () => field.value.trim() === "xo";

  function asked() {
    const body = { data: field.value.trim(), size: null, kind: given.get("kind"), xo: null };
    if (isXo()) body.xo = { ...(number("size") ? { size: number("size") } : {}), translate: span("shift"), scale: span("scale"), rotate: span("rotate"), weight: span("weight") };
    else body.size = number("size");
    return body;
  }

  function keep() {
    const words = (name) => span(name)?.join(":") ?? null;
    remember({
      data: field.value.trim() === "xo" && !Object.keys(CASES).some(words) ? null : field.value.trim(),
      size: number("size"), text: text.value.trim() || null, epochs: number("epochs"), rate: number("rate"), seed: number("seed") || null,
      ...Object.fromEntries(Object.keys(CASES).map((name) => [name, isXo() ? words(name) : null])),
    });
  }

  // Looks at the named data: asked again until it is read.
  async function look() {
    const mine = ++turn;
    data = null;
    wrong.hidden = true;
    field.removeAttribute("aria-invalid");
    cases.hidden = !isXo();
    size.input.min = isXo() ? 5 : 4;
    size.input.placeholder = isXo() ? "9" : "auto";
    paint();
    try {
      if (!field.value.trim()) throw new Error("empty");
      for (;;) {
        const found = await post(`/api/data?seed=${number("seed") || 0}`, asked());
        if (mine !== turn) return;
        if (found.state === "known") {
          data = found;
          break;
        }
        facts.textContent = found.total ? `Reading: ${found.done.toLocaleString("en")} of ${found.total.toLocaleString("en")}.` : "Reading.";
        await wait(200);
        if (mine !== turn) return;
      }
    } catch (error) {
      if (mine !== turn) return;
      wrong.textContent = field.value.trim() ? told(error) : "Type xo, digits, or the path of a folder.";
      wrong.hidden = false;
      field.setAttribute("aria-invalid", "true");
    }
    shown(data);
    size.node.hidden = !isXo() && !data?.resizable;
    await measure();
  }

  // Asks whether the net's text works on this data, and what it costs.
  async function measure() {
    const mine = turn;
    net = null;
    if (data) {
      const typed = text.value.trim() || data.net;
      try {
        const found = await post("/api/net", { net: typed, shape: data.shape, classes: data.class_count, resizable: data.resizable || isXo() });
        if (mine !== turn) return;
        net = found;
      } catch (error) {
        if (mine !== turn) return;
        net = { refused: { what: "This net", why: told(error), ways: [], sizes: [] } };
      }
    }
    paint();
  }

  function paint() {
    facts.textContent = data ? `${data.words}.${data.skipped ? ` ${data.skipped} can\u2019t be read and are left out.` : ""}${data.why ? ` ${data.why}` : ""}` : facts.textContent;
    if (!wrong.hidden) facts.textContent = "";
    text.placeholder = data ? data.net : "";
    const refused = net?.refused;
    text.toggleAttribute("aria-invalid", Boolean(refused));
    refusal.hidden = !refused;
    refusal.replaceChildren(...(refused ? words(refused) : []));
    stages();
    press.disabled = !net || Boolean(refused);
    ready(!press.disabled);
    why.textContent = !wrong.hidden ? "waits for data that works" : !data ? "waits for the data" : refused ? "waits for a net that works" : net ? `${net.parameters.toLocaleString("en")} weights${text.value.trim() ? "" : ", a net that glassnet chose"}` : "";
  }

  function stages() {
    const now = net?.knobs;
    stage.hidden = !now;
    if (!now || stage.contains(document.activeElement)) {
      if (now) for (const name of Object.keys(STAGE)) stage.querySelector(`#learn-${name === "size" ? "kernel" : name}`).value = now[name];
      return;
    }
    stage.replaceChildren(...Object.entries(STAGE).map(([name, [label, hint]]) => row(label, hint, name === "size" ? "kernel" : name, now[name], name === "neurons" ? 0 : 1, 1).node));
  }

  // The text that the stage's knobs make.
  function written() {
    const one = (name) => number(name === "size" ? "kernel" : name) || 0;
    const { valid, stride, window } = net.knobs;
    const pool = `pool ${one("window")}${stride !== window ? `/${stride}` : ""}`;
    const stages_ = `conv ${one("features")} ${one("size")}${valid ? " valid" : ""}, relu, ${pool}`;
    return `${one("stages") > 1 ? `(${stages_}) x${one("stages")}` : stages_}, ${one("neurons") ? `fc ${one("neurons")}, relu, ` : ""}fc`;
  }

  function words(refused) {
    const way = (one) => el("button", { type: "button", textContent: one.words, onclick: () => (one.side ? choose(number, one.side) : retext(one.net)) });
    const choose = (_, side) => {
      node.querySelector("#learn-size").value = side;
      keep();
      look();
    };
    const sizes = refused.sizes.length ? el("p", { className: "sizes", textContent: `${refused.sizes.map((one) => one.join(" × ")).join(" → ")} → ✗` }) : "";
    return [el("p", {}, el("b", { textContent: `${refused.what}: ` }), refused.why, refused.ways.length || !refused.fix ? "." : `. ${refused.fix}.`), sizes, el("p", { className: "ways" }, ...refused.ways.map(way))];
  }

  function retext(value) {
    text.value = value;
    keep();
    measure();
    text.focus();
  }

  field.addEventListener("change", () => (keep(), look()));
  cases.addEventListener("change", () => (keep(), look()));
  size.input.addEventListener("change", () => (keep(), look()));
  text.addEventListener("change", () => (keep(), measure()));
  stage.addEventListener("change", () => ((text.value = written()), keep(), measure()));
  for (const one of learn) one.input.addEventListener("change", () => (keep(), one.name === "seed" && look()));
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (press.disabled) return;
    press.disabled = true;
    try {
      await begin({ ...asked(), net: text.value.trim() || null, epochs: number("epochs"), learning_rate: number("rate"), seed: number("seed") || 0 });
    } catch (error) {
      wrong.textContent = told(error);
      wrong.hidden = false;
    }
    paint();
  });
  return { node, look, data: () => data };
}
