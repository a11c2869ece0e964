// Draw: a board, four knobs, and every map and vote following each stroke.

import { decode, encode, get, latest, lengthen, post, shorten } from "./api.js";
import { el, inkColour, signed, two, unpack, valueColour } from "./colours.js";
import { grid } from "./grid.js";
import { footer, go, netFacts, netName, remember, sentence, state, strong, to, told } from "./shell.js";
import { sliders } from "./sliders.js";
import { threads } from "./threads.js";

const REST = { shift: 0, scale: 1, rotate: 0, weight: 1 };
const MOST_ROWS = 8; // maps of a layer that are drawn at once

export default async function open(main) {
  const net = await netFacts();
  if (!net.drawable) return cannotDraw(main, net);
  const [, rows, columns] = net.shape;
  const given = state();
  let base = lengthen(given.get("x") || "", rows * columns) || (await beginning());
  const knobs = Object.fromEntries(Object.entries(REST).map(([name, v]) => [name, given.has(name) && Number.isFinite(+given.get(name)) ? +given.get(name) : v]));
  let shown = base; // the drawing as the knobs change it
  let pass = null;
  let pen = true;
  let columnsOf = null; // the maps on the page
  let pinned = null; // where a person points: [step, channel, row, column]

  const letters = net.classes.filter((name) => name === "X" || name === "O");
  const tools = [...letters.map((name) => el("button", { textContent: `Draw an ${name}`, onclick: () => place(name) })), el("button", { textContent: letters.length ? "Surprise me" : "Another example", onclick: letters.length ? surprise : example })];
  const { node: answer, say } = sentence(tools);
  const board = makeBoard();
  const penButton = el("button", { textContent: "Pen", onclick: () => usePen(true) });
  const eraser = el("button", { textContent: "Eraser", onclick: () => usePen(false) });
  const reasons = el("div", { className: "reasons" });
  const maps = el("div", { className: "stacks" });
  const votes = el("section", { className: "voting", ariaLabel: "Votes" });
  const over = threads();
  const slide = sliders(net, { change, release: () => remember({}, { replace: false }) });
  const head = (name, facts) => el("h2", {}, name, " ", el("small", { textContent: facts }));
  main.append(
    answer,
    el(
      "div",
      { className: "board-sheet" },
      el(
        "section",
        { className: "drawing", ariaLabel: "Drawing" },
        el("div", { className: "bar-row" }, head("Image", `${rows} × ${columns}`), el("span", { className: "pens" }, penButton, eraser, el("button", { textContent: "Clear", onclick: () => redraw(new Uint8Array(rows * columns)) }))),
        board.node,
        slide.node,
        reasons,
      ),
      maps,
      votes,
      over.node,
    ),
    footer(net.name === "slides" ? "Figures in maps are cut at two decimals, as on the slides: 7 / 9 shows 0.77." : "Rows and columns count from 1. Figures are rounded.", [
      [["←", "→", "↑", "↓"], "move"],
      [["Space"], "flip a pixel"],
      [["Enter"], "open the sum"],
    ]),
  );
  usePen(true);
  let changes = 0;
  const ask = latest(async () => {
    const before = changes;
    const now = await post(`/api/nets/${encodeURIComponent(netName())}/draw`, { x: encode(base), ...knobs });
    pass = prepare(now, net.name === "slides");
    if (before === changes) shown = decode(now.x); // an answer that comes late never undoes what was drawn since
    draw();
  }, (error) => say(["No answer."], [told(error)]));
  const sweep = latest(async () => {
    const found = await post(`/api/nets/${encodeURIComponent(netName())}/sweep`, { x: encode(base), ...knobs });
    slide.hills(found, pass, baseLetter());
  }, () => {});
  let idle;

  function update() {
    changes++;
    remember({ x: shorten(base), ...Object.fromEntries(Object.entries(knobs).map(([name, v]) => [name, v === REST[name] ? null : String(v)])) });
    slide.set(knobs);
    clearTimeout(idle);
    idle = setTimeout(sweep, 150);
    main.setAttribute("aria-busy", "true");
    return ask().then(() => ask.isIdle() && main.setAttribute("aria-busy", "false"));
  }

  async function letter(which) {
    if (!which) return new Uint8Array(rows * columns);
    return rows === columns ? decode((await get(`/api/letters/${which}?size=${rows}`)).x) : new Uint8Array(rows * columns);
  }

  async function beginning() {
    if (given.has("x")) return new Uint8Array(rows * columns);
    if (net.classes.includes("X")) return letter("X");
    return get(`/api/nets/${encodeURIComponent(netName())}/example`).then((one) => decode(one.x), () => new Uint8Array(rows * columns));
  }

  const baseLetter = () => pass?.letter || "";

  function redraw(bytes) {
    base = bytes;
    Object.assign(knobs, REST);
    update();
  }

  async function example() {
    const one = await get(`/api/nets/${encodeURIComponent(netName())}/example?which=${Math.floor(Math.random() * 1000)}`);
    redraw(decode(one.x));
  }

  async function place(which) {
    redraw(await letter(which));
  }

  async function surprise() {
    const random = (low, high) => low + Math.random() * (high - low);
    base = await letter(Math.random() < 0.5 ? "X" : "O");
    Object.assign(knobs, { shift: 0, scale: Math.round(random(80, 115)) / 100, rotate: Math.round(random(-60, 60)), weight: Math.round(random(10, 16)) / 10 });
    update();
  }

  function change(name, value) {
    knobs[name] = value;
    update();
  }

  function usePen(on) {
    pen = on;
    penButton.setAttribute("aria-pressed", on);
    eraser.setAttribute("aria-pressed", !on);
  }

  function makeBoard() {
    let ink = null; // what this stroke leaves: ink or paper
    let last = null;
    const set = (r, c) => {
      if (shown[r * columns + c] === ink) return;
      const bytes = shown.slice();
      bytes[r * columns + c] = ink;
      shown = bytes;
      one.paint();
      redraw(bytes);
    };
    const one = grid({
      rows,
      columns,
      label: "Drawing",
      side: 288,
      words: (r, c) => `row ${r + 1}, column ${c + 1}: ${shown[r * columns + c] > 127 ? "ink" : "paper"}`,
      colour: (r, c) => inkColour(shown[r * columns + c] / 255),
      on: {
        press(r, c, event) {
          ink = pen && shown[r * columns + c] < 128 ? 255 : 0;
          last = [r, c];
          event.preventDefault();
          one.node.setPointerCapture(event.pointerId);
          set(r, c);
        },
        point(r, c, event) {
          if (r === undefined || ink === null || !(event instanceof PointerEvent) || !event.buttons) return;
          const steps = Math.max(Math.abs(r - last[0]), Math.abs(c - last[1]), 1);
          for (let i = 1; i <= steps; i++) set(Math.round(last[0] + ((r - last[0]) * i) / steps), Math.round(last[1] + ((c - last[1]) * i) / steps));
          last = [r, c];
        },
        flip(r, c) {
          ink = shown[r * columns + c] > 127 ? 0 : 255;
          set(r, c);
          ink = null;
        },
      },
    });
    one.node.addEventListener("pointerup", () => (ink = null));
    one.node.classList.add("board");
    one.paint();
    return one;
  }

  function draw() {
    if (!columnsOf || !pass.thread.every(([i, channel]) => columnsOf.every.every((one) => one.step !== pass.steps[i].name) || columnsOf.every.some((one) => one.step === pass.steps[i].name && one.channel === channel))) build();
    follow(pinned, "show");
    tell();
  }

  // The columns of maps: features, the first filtered images, and the last maps, whose values vote.
  function build() {
    const { first, last } = pass;
    const followed = Object.fromEntries(pass.thread.map(([i, channel]) => [pass.steps[i].name, channel]));
    const kept = (step) => strongest(step, MOST_ROWS, followed[step.name]);
    const between = pass.steps.indexOf(last) - pass.steps.indexOf(first) - 1;
    const every = [];
    const rowsShown = kept(first);
    const lastShown = last === first ? [] : last.shape[0] === first.shape[0] ? rowsShown : kept(last);
    const side = (step, n) => Math.min(step === first ? 238 : 137, Math.floor(720 / Math.max(n, 1)) - 14, 34 * Math.max(...step.shape.slice(1)));
    maps.replaceChildren();
    maps.style.setProperty("--rows", Math.max(rowsShown.length, lastShown.length));
    maps.append(head_("Features", "", 1), head_("Filtered", `${first.shape.slice(1).join(" × ")}${rowsShown.length < first.shape[0] ? `, ${rowsShown.length} of ${first.shape[0]} maps` : ""}`, 2));
    rowsShown.forEach((channel, i) => {
      const kernel = first.weight && first.shape[0] === first.bias.length ? kernelOf(first, channel) : null;
      const figure = el("figure", { className: "feature" }, ...(kernel ? [kernel.node] : []), el("figcaption", { textContent: nameOf(first, channel) }));
      figure.style.gridRow = i + 2;
      maps.append(figure);
      every.push({ ...mapOf(first, channel, side(first, rowsShown.length), i, 2), kernel });
    });
    if (lastShown.length) {
      maps.append(head_(last.type === "pool" ? "Pooled" : "Last maps", `${last.shape.slice(1).join(" × ")}${lastShown.length < last.shape[0] ? `, ${lastShown.length} of ${last.shape[0]} maps` : ""}${between > 2 ? `, ${between} layers on` : ""}`, 3));
      lastShown.forEach((channel, i) => every.push(mapOf(last, channel, side(last, lastShown.length), i, 3)));
    }
    votes.replaceChildren(el("h2", {}, "Votes ", el("small", { textContent: "thickness: weight, strength: value" })));
    const list = el("div", { className: `letters ${net.classes.length > 4 ? "many" : ""}` });
    const letters = net.classes.map((name) => el("div", { className: "letter" }, el("b", { textContent: name }), el("span")));
    list.append(...letters);
    votes.append(list);
    columnsOf = { every, letters };
  }

  const head_ = (name, facts, column) => {
    const one = head(name, facts);
    one.style.gridColumn = column;
    one.style.gridRow = 1;
    return one;
  };

  function mapOf(step, channel, side, i, column) {
    const [h, w] = step.shape.slice(1);
    const map = grid({
      rows: h,
      columns: w,
      label: `${step.name}, ${nameOf(step, channel)}`,
      side,
      words: (r, c) => `row ${r + 1}, column ${c + 1}: ${figure(valueOf(pass.byName[step.name], channel, r, c))}`,
      colour: (r, c) => valueColour(valueOf(pass.byName[step.name], channel, r, c) / pass.byName[step.name].scale),
      number: (r, c) => (side / Math.max(h, w) >= 26 ? figure(valueOf(pass.byName[step.name], channel, r, c)) : ""),
      on: {
        point: (r, c) => follow(r === undefined ? null : [step.name, channel, r, c]),
        open: (r, c) => go(`${to("look", { x: shorten(shown) })}#${step.name}/${channel + 1}/${r + 1}/${c + 1}`),
      },
    });
    map.node.style.gridColumn = column;
    map.node.style.gridRow = i + 2;
    maps.append(map.node);
    return { step: step.name, channel, map };
  }

  // Follows one value from its patch to the votes; without pointing, the strongest vote.
  // as: "mark" moves the outlines, "show" draws new values too.
  function follow(pin, as = "mark") {
    pinned = pin;
    const way = pin ? wayOf(pass, pin) : pass.thread.map(([i, channel, ...at]) => [pass.steps[i].name, channel, ...at]);
    const patch = way.findLast(([name]) => name === pass.first.name);
    board[as](patch && !isBlank() ? [pass.first.field(patch[2], patch[3], rows, columns)] : []);
    for (const one of columnsOf.every) {
      const at = way.find(([name, channel]) => name === one.step && channel === one.channel);
      one.map[as](at && !isBlank() ? [[at[2], at[3], at[2] + 1, at[3] + 1]] : []);
      one.kernel?.node.classList.toggle("chosen", !!at && !isBlank());
    }
    over.draw({ pass, way: isBlank() ? [] : way, board, columns: columnsOf, box: over.node.parentElement, isBlank: isBlank(), patch });
  }

  const isBlank = () => shown.every((v) => v < 128);
  const nameOf = (step, channel) => net.features[step.name]?.[channel] || (pass.last.shape[0] === pass.first.shape[0] && net.features[pass.first.name]?.[channel]) || `feature ${channel + 1}`;
  const figure = (v) => (net.name === "slides" ? cut(v) : two(v));

  function tell() {
    const k = pass.answer;
    const order = pass.logit.map((v, i) => i).sort((a, b) => pass.logit[b] - pass.logit[a]);
    columnsOf.letters.forEach((node, i) => {
      node.classList.toggle("leads", i === k && !isBlank());
      node.querySelector("span").textContent = isBlank() ? "–" : signed(pass.logit[i]);
    });
    if (isBlank()) {
      reasons.replaceChildren();
      return say(["Draw an X or an O."], ["Hold and move, or press a button. Nothing is drawn, so nothing is decided."]);
    }
    const lead = pass.logit[k] - pass.logit[order[1]];
    const spoken = net.classes[k];
    const right = pass.letter;
    const fooled = right && right !== spoken && net.classes.includes(right);
    const found = pass.thread.map(([i, channel, ...at]) => [pass.steps[i], channel, ...at]).findLast(([step]) => step.name === pass.first.name);
    const strongestVote = pass.votes.strongest[k]?.[0];
    const vote = strongestVote === undefined ? 0 : pass.votes.contribution[k][strongestVote];
    const article = /^[AEFHILMNORSX8]/i.test(spoken) && spoken.length === 1 ? "an" : "a";
    const lines = [];
    if (found) {
      const [step, channel, r, c] = found;
      const value = valueOf(step, channel, r, c);
      const name = nameOf(step, channel);
      const agree = Math.round((value + 1) * 4.5);
      lines.push(
        net.name === "slides"
          ? `The ${name} ${agree === 9 ? "fits exactly" : "fits best"} at row ${r + 1}, column ${c + 1}: ${agree} pixels of 9.`
          : `${name[0].toUpperCase()}${name.slice(1)} answers ${two(value)} at row ${r + 1}, column ${c + 1}.`,
        ` That match votes ${signed(vote)} for ${spoken}, which leads by `,
        strong(two(lead)),
        ".",
      );
    } else lines.push(`${spoken} leads by `, strong(two(lead)), ".");
    if (fooled) {
      listVotes();
      const what = Object.entries({ rotate: "turned", shift: "shifted", scale: "scaled", weight: "thickened" }).filter(([name]) => knobs[name] !== REST[name]).map(([, words]) => words);
      const retrain = el("a", { className: "button", href: to("learn", { data: "xo", rotate: "-90:90", net: null }), textContent: "Train it again with rotation" });
      return say(["It says ", strong(spoken), `, but this is an ${right}${what.length ? `, ${what.join(" and ")}` : ""}.`], ["It is fooled. ", ...lines, " ", retrain]);
    }
    say([spoken.length === 1 ? `That is ${article} ` : "That is ", strong(spoken), "."], lines);
    listVotes();
  }

  function listVotes() {
    const k = pass.answer;
    const order = pass.votes.strongest[k] || [];
    const five = order.slice(0, 5);
    const rowsOf = five.map((f) => {
      const value = pass.votes.values[f];
      const vote = pass.votes.contribution[k][f];
      const weight = vote / value;
      const channel = Math.floor(f / (pass.votes.values.length / pass.votes.shape[0]));
      const words = pass.votes.shape.length > 1 ? nameOf(pass.last, channel) : `value ${f + 1}`;
      const fraction = net.name === "slides" ? `${Math.round(value * 9)}/9` : two(value);
      return el("tr", {}, el("td", { textContent: words }), el("td", { className: "n", textContent: `${fraction} ×` }), el("td", { className: "n", textContent: two(weight) }), el("td", { className: `n ${vote < 0 ? "against" : "for"}` }, strong(signed(vote))));
    });
    const sum = five.reduce((total, f) => total + pass.votes.contribution[k][f], 0);
    const others = pass.votes.values.length - five.length;
    rowsOf.push(el("tr", { className: "rest" }, el("td", { colSpan: 3, textContent: `${others.toLocaleString("en")} weaker vote${others === 1 ? "" : "s"} and the bias` }), el("td", { className: "n", textContent: signed(pass.logit[k] - sum) })));
    rowsOf.push(el("tr", { className: "total" }, el("td", { colSpan: 3, textContent: net.classes[k] }), el("td", { className: "n", textContent: signed(pass.logit[k]) })));
    reasons.replaceChildren(el("h2", { textContent: `Strongest votes for ${net.classes[k]}` }), el("table", {}, el("tbody", {}, ...rowsOf)));
  }

  const resized = new ResizeObserver(() => pass && follow(pinned));
  resized.observe(maps);
  await update();
  return {
    close: () => (resized.disconnect(), clearTimeout(idle)),
    repaint: () => pass && draw(),
  };
}

function cannotDraw(main, net) {
  const { node, say } = sentence();
  main.append(node);
  say(["This net sees no drawings."], [
    `${net.name} was trained on ${net.kind} of ${net.shape.join(" × ")}. `,
    el("a", { className: "button", href: "/draw?net=slides", textContent: "Open the X and O net" }),
    " ",
    el("a", { className: "button", href: to("ask"), textContent: `Ask it about ${net.kind}` }),
  ]);
  return null;
}

// Two decimals cut toward zero, as the slides print them. Sevenths of float32 stand a hair beside the fraction.
const cut = (v) => (Math.trunc((v + Math.sign(v) * 1e-6) * 100) / 100).toFixed(2).replace("-0.00", "0.00").replace("-", "\u2212");

const valueOf = (step, channel, r, c) => {
  const k = step.factor ? step.order.indexOf(channel) : channel;
  const f = step.factor || 1;
  const [h, w] = step.shape.slice(1).map((n) => Math.ceil(n / f));
  return step.values[(k * h + Math.floor(r / f)) * w + Math.floor(c / f)];
};

// The channels that are shown: all, or the strongest, the followed one among them.
function strongest(step, most, followed) {
  if (step.shape[0] <= most) return [...Array(step.shape[0]).keys()];
  const some = step.order.slice(0, most);
  if (followed !== undefined && !some.includes(followed) && step.order.includes(followed)) some[most - 1] = followed;
  return some.sort((a, b) => a - b);
}

// Unpacks a pass and finds its first convolution and its last maps.
// isUnit: its maps are matches from -1 to 1, drawn on that scale.
export function prepare(now, isUnit = false) {
  const steps = now.steps.map((one) => ({ ...one, scale: isUnit ? 1 : one.scale, values: unpack(one.values), weight: one.weight && unpack(one.weight), bias: one.bias && unpack(one.bias) }));
  const byName = Object.fromEntries(steps.map((one) => [one.name, one]));
  const first = steps.find((one) => one.type === "conv");
  let last = steps[now.votes.made_by];
  while (last && last.shape.length < 2) last = last.inputs[0] < 0 ? null : steps[last.inputs[0]];
  if (first) {
    const [k, s, p] = [first.kernel, first.stride, first.padding];
    first.field = (r, c, rows, columns) => [Math.max(0, r * s[0] - p[0]), Math.max(0, c * s[1] - p[1]), Math.min(rows, r * s[0] - p[0] + k[0]), Math.min(columns, c * s[1] - p[1] + k[1])];
  }
  const votes = { ...now.votes, values: unpack(now.votes.values), contribution: now.votes.contribution.map(unpack) };
  return { ...now, steps, byName, first: first || steps[0], last: last || first, votes };
}

// The way of a value that is pointed at: back to the patch, and on to the maps behind it, where the layers between keep places.
function wayOf(pass, [name, channel, r, c]) {
  const way = [[name, channel, r, c]];
  let step = pass.byName[name];
  let at = [r, c];
  while (step.inputs[0] >= 0 && step.type !== "conv") {
    const from = pass.steps[step.inputs[0]];
    if (from.shape.length !== 3) break;
    if (step.type === "pool") at = best(from, channel, step, at);
    else if (!["relu", "gelu", "batchnorm", "dropout"].includes(step.type)) break;
    way.push([from.name, channel, ...at]);
    step = from;
  }
  let on = pass.byName[name];
  at = [r, c];
  for (let guard = 0; guard < 20 && on; guard++) {
    const next = pass.steps.find((one) => one.inputs.length === 1 && pass.steps[one.inputs[0]] === on);
    if (!next || next.shape.length !== 3) break;
    if (next.type === "pool") {
      const [s, p] = [next.stride, next.padding].map((v) => (Array.isArray(v) ? v : [v, v]));
      at = at.map((i, axis) => Math.min(next.shape[axis + 1] - 1, Math.floor((i + p[axis]) / s[axis])));
    } else if (!["relu", "gelu", "batchnorm", "dropout"].includes(next.type)) break;
    way.unshift([next.name, channel, ...at]);
    on = next;
  }
  return way;
}

function best(from, channel, pool, [r, c]) {
  const [k, s, p] = [pool.window, pool.stride, pool.padding].map((v) => (Array.isArray(v) ? v : [v, v]));
  let won = null;
  for (let i = Math.max(0, r * s[0] - p[0]); i < Math.min(from.shape[1], r * s[0] - p[0] + k[0]); i++)
    for (let j = Math.max(0, c * s[1] - p[1]); j < Math.min(from.shape[2], c * s[1] - p[1] + k[1]); j++) if (!won || valueOf(from, channel, i, j) > valueOf(from, channel, ...won)) won = [i, j];
  return won;
}

function kernelOf(step, channel) {
  const [h, w] = step.kernel;
  const depth = step.weight.length / step.shape[0] / h / w;
  const values = step.weight.slice(channel * depth * h * w, (channel * depth + 1) * h * w);
  const most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-9);
  const map = grid({ rows: h, columns: w, label: `feature ${channel + 1}`, side: 72, words: (r, c) => two(values[r * w + c]), colour: (r, c) => valueColour(values[r * w + c] / most) });
  map.node.classList.add("kernel");
  map.paint();
  return map;
}
