// Ask with a detector: a strip of pictures, the boxes on one of them, and why each is there.

import { askAbout, get } from "./api.js";
import { el, two } from "./colours.js";
import { share, voteTable } from "./evidence.js";
import { keep, recall } from "./recent.js";
import { FILED, footer, netName, remember, sentence, state, strong, told } from "./shell.js";
import { strip } from "./strip.js";

const LARGEST = 10_000_000; // bytes of a file, as the server takes them
const ROWS = 60; // boxes in the list
const CROP = 128; // pixels of a box's crop on the page
const SVG = "http://www.w3.org/2000/svg";
const svg = (tag, props, ...children) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

export default async function open(main, net) {
  const name = netName();
  let items = []; // {name, data, example, answer, error, picture, why}
  let chosen = 0;
  let box = null; // the one that is asked about, by its place in the answer
  let least = null; // the least score that is shown; null for each class's own
  let closed = false;
  const hidden = new Set(); // classes that are switched off

  const page = el("button", { type: "button", textContent: "Save this page", onclick: save, hidden: true });
  const { node: answer, say } = sentence([page]);
  const cards = strip({ takes: "pictures", on: { choose, add, clear } });
  const asked = el("div", { id: "asked", className: "asked kind-boxes" });
  asked.setAttribute("role", "tabpanel");
  asked.setAttribute("aria-label", "What was found");
  const offers = el("section", { className: "offers", hidden: true, ariaLabel: "Pictures to try it on" });
  const foot = footer(`Files stay on this machine. ${net.tested}`, [[["←", "→"], "the next picture"], [["Tab"], "the next box"], [["Esc"], "no box"]]);
  foot.firstChild.append(" ", el("a", { href: "/api", textContent: "Ask from a program" }));
  main.append(answer, cards.node, asked, offers, foot);

  const isShown = (one) => !hidden.has(one.class) && (least === null ? one.likely : one.score >= least);
  const put = (route, one, more) => askAbout(name, route, one, more);

  async function answerOne(one) {
    try {
      const { picture, ...found } = await put("predict", one, { picture: true });
      one.answer = { ...found, words: counts(found.boxes.filter((each) => each.likely)) };
      one.picture = picture;
    } catch (error) {
      one.error = told(error);
    }
    if (closed || !items.includes(one)) return;
    cards.update(items, items.indexOf(one));
    if (one === items[chosen]) show();
  }

  async function answerAll() {
    for (const one of [items[chosen], ...items]) if (one && !one.answer && !one.error && !closed) await answerOne(one);
  }

  function add(files) {
    const first = items.length;
    items.push(...files.map((file) => {
      const one = { name: file.name || "pasted", data: file, text: "" };
      return file.size > LARGEST ? { ...one, error: `${one.name}: expected at most ${LARGEST.toLocaleString("en")} bytes, found ${file.size.toLocaleString("en")}. Make it smaller.` } : one;
    }));
    enter(first);
  }

  function enter(i) {
    cards.draw(items, i);
    choose(i);
    answerAll();
  }

  function choose(i) {
    chosen = i;
    box = null;
    cards.choose(items, i);
    remember({ example: items[i]?.example || null });
    show();
    const files = items.filter((one) => one.data && one.data.size <= LARGEST);
    keep(name, files, files.indexOf(items[chosen]));
  }

  function clear() {
    items = [];
    enter(0);
  }

  function show() {
    const one = items[chosen];
    offers.hidden = !!items.length;
    page.hidden = !one?.answer || net.exported;
    asked.replaceChildren();
    if (!one) return say(["Ask it about a picture."], [`${net.name} finds ${listed(net.classes)}. The same place takes one picture or many.`]);
    if (one.error) return say([`${one.name} can’t be read.`], [one.error]);
    if (!one.answer) return say(["The detector is being asked."], [one.name]);
    draw(one);
  }

  function draw(one) {
    const [width, height] = one.answer.size;
    const boxes = one.answer.boxes.map((each, i) => ({ ...each, i })).filter(isShown);
    if (box !== null && !boxes.some((each) => each.i === box)) box = null;
    const unit = width / 640;
    const area = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);
    const marks = [...boxes].sort((a, b) => area(b) - area(a)).map((each) => {
      const [x1, y1, x2, y2] = each.box;
      const label = `${each.class} ${share(each.score)}`;
      const group = svg("g", { class: `found of-${net.classes.indexOf(each.class) % 4}${each.i === box ? " on" : ""}`, role: "button", tabindex: 0, "aria-pressed": each.i === box, "aria-label": `${label} at ${each.box.map(Math.round).join(", ")}` });
      group.append(svg("rect", { class: "under", x: x1, y: y1, width: x2 - x1, height: y2 - y1 }), svg("rect", { class: "line", x: x1, y: y1, width: x2 - x1, height: y2 - y1 }));
      const size = 13 * unit;
      const top = y1 > size * 1.4 ? y1 - size * 1.35 : y1;
      group.append(svg("rect", { class: "tag", x: x1, y: top, width: size * (0.58 * label.length + 0.6), height: size * 1.35 }), svg("text", { x: x1 + size * 0.3, y: top + size, "font-size": size }, label));
      group.addEventListener("click", () => pick(each.i));
      group.addEventListener("keydown", (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), pick(each.i)));
      return group;
    });
    const why = box === null ? null : whyOf(one, box);
    const more = why ? [...why.removed.map((each) => outline(each.box, "gone")), outline(why.before, "before")] : [];
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: `scene${box === null ? "" : " chosen"}` }, svg("image", { href: one.picture, width, height }), ...more, ...marks);
    asked.replaceChildren(el("div", { className: "asked-seen" }, drawing, controls(one)), el("div", { className: "asked-why" }, ...(box === null ? [list(boxes)] : reasons(one, why))));
    tell(one, boxes);
    if (box !== null) drawing.querySelector(".on")?.focus();
  }

  const outline = ([x1, y1, x2, y2], what) => svg("rect", { class: what, x: x1, y: y1, width: x2 - x1, height: y2 - y1 });

  function tell(one, boxes) {
    const words = counts(boxes);
    const other = one.answer.boxes.length - boxes.length;
    const from = least === null ? "Shown from the score at which hits and false alarms balance best for each class" : `Shown from a score of ${least.toFixed(2)}`;
    say([words === "nothing" ? "It finds nothing here." : "", ...(words === "nothing" ? [] : [strong(words), "."])], [`${from}; ${other.toLocaleString("en")} less sure ${other === 1 ? "box is" : "boxes are"} left out.`]);
  }

  function controls(one) {
    const shown = el("output", { textContent: least === null ? "each class’s own" : least.toFixed(2) });
    const slider = el("input", { type: "range", min: 0.05, max: 1, step: 0.01, value: least ?? 0.5, id: "least" });
    slider.addEventListener("input", () => {
      least = +slider.value;
      draw(one);
      document.getElementById("least").focus();
    });
    const own = el("button", { type: "button", className: "plain", textContent: "each class’s own", hidden: least === null, onclick: () => ((least = null), draw(one)) });
    const classes = net.classes.map((label, k) => {
      const toggle = el("button", { type: "button", className: `class of-${k % 4}`, textContent: label, ariaPressed: `${!hidden.has(label)}`, onclick: () => (hidden.has(label) ? hidden.delete(label) : hidden.add(label), draw(one)) });
      return toggle;
    });
    return el("div", { className: "found-by" }, el("p", {}, el("label", { htmlFor: "least", textContent: "least score" }), slider, shown, own), el("div", { className: "choices", role: "group", ariaLabel: "Classes shown" }, ...classes));
  }

  function list(boxes) {
    const rows = boxes.slice(0, ROWS).map((each) => el("tr", {}, el("td", {}, el("button", { type: "button", className: "pointer", textContent: each.class, onclick: () => pick(each.i) })), el("td", { className: "n", textContent: share(each.score) }), el("td", { className: "n", textContent: each.box.map(Math.round).join(", ") })));
    const head = el("tr", {}, ...["class", "score", "x1, y1, x2, y2"].map((words, i) => el("th", { scope: "col", className: i ? "n" : "", textContent: words })));
    const left = boxes.length - rows.length;
    return el("section", { className: "spoke" }, el("div", { className: "spoke-head" }, el("h2", { textContent: "Every box" }), el("p", { className: "facts", textContent: `press one ${net.exported ? "to find it on the picture" : "for its reasons"}${left > 0 ? `; ${left} more are on the picture` : ""}` })), el("table", { className: "boxes" }, el("thead", {}, head), el("tbody", {}, ...rows)));
  }

  async function pick(i) {
    const one = items[chosen];
    box = box === i ? null : i;
    draw(one);
    if (box === null || one.why) return;
    try {
      one.why = net.exported ? { boxes: [], error: FILED } : await put("explain", one);
    } catch (error) {
      one.why = { boxes: [], error: told(error) };
    }
    if (!closed && one === items[chosen]) draw(one);
  }

  // The explanation of a box of the answer: that of the same class and place.
  function whyOf(one, i) {
    const mine = one.answer.boxes[i];
    const near = (a, b) => a.every((v, k) => Math.abs(v - b[k]) < 1);
    return one.why?.boxes.find((each) => each.class === mine.class && near(each.box, mine.box)) || null;
  }

  function reasons(one, why) {
    const mine = one.answer.boxes[box];
    const back = el("button", { type: "button", textContent: "Every box", onclick: () => ((box = null), draw(one)) });
    const head = el("div", { className: "asked-head" }, el("h3", { textContent: `${mine.class}, ${share(mine.score)}` }), back);
    if (!one.why) return [head, el("p", { className: "facts", textContent: "Its reasons are being worked out." })];
    if (!why) return [head, el("p", { className: "facts", textContent: one.why.error || "Reasons are worked out for the 30 surest likely boxes; this is none of them." })];
    const { votes, moved } = why;
    const parts = [["proposed", why.proposal], ["as it was judged", why.before], ["as it is said", why.box]].map(([words, at]) => el("figure", {}, crop(one, at), el("figcaption", { className: "facts", textContent: words })));
    const steps = [[moved.dx_percent, "right", "left"], [moved.dy_percent, "down", "up"], [moved.width_percent, "wider", "narrower"], [moved.height_percent, "higher", "lower"]].filter(([v]) => Math.abs(v) >= 0.5).map(([v, more, less]) => `${Math.abs(v).toFixed(0)} % ${v > 0 ? more : less}`);
    const rows = votes.features.map((each) => ({ words: `feature ${each.feature + 1}`, value: each.value, weight: each.weight, vote: each.contribution }));
    const table = voteTable({ title: `Votes for ${votes.class}`, aside: votes.runner_up ? `the strongest other, ${votes.runner_up}, has ${two(votes.runner_up_logit)}` : "", head: "feature", rows, rest: `${votes.others.toLocaleString("en")} other features, and the bias`, name: votes.class, logit: votes.logit });
    const like = why.nearest.map((each) => `${each.class} on ${each.input} (${each.similarity.toFixed(2)})`);
    const facts = [
      steps.length ? `Corrected: ${steps.join(", ")}.` : "It stayed where it was.",
      why.removed.length ? `${why.removed.length} less sure ${why.removed.length === 1 ? "box" : "boxes"} of its class gave way to it, dotted on the picture.` : "No other box gave way to it.",
      like.length ? `Most like ${like.slice(0, 3).join(", ")}.` : "",
    ];
    return [head, el("div", { className: "steps" }, ...parts), ...facts.filter(Boolean).map((words) => el("p", { textContent: words })), table];
  }

  // A box with a little around it, cut out of the picture.
  function crop(one, [x1, y1, x2, y2]) {
    const margin = 0.15 * Math.max(x2 - x1, y2 - y1);
    const [w, h] = [x2 - x1 + 2 * margin, y2 - y1 + 2 * margin];
    const [width, height] = one.answer.size;
    const line = svg("rect", { class: "line", x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
    return svg("svg", { class: "crop", viewBox: `${x1 - margin} ${y1 - margin} ${w} ${h}`, width: CROP, height: CROP, "aria-hidden": "true" }, svg("image", { href: one.picture, width, height }), line);
  }

  async function save() {
    const one = items[chosen];
    page.disabled = true;
    try {
      const blob = await put("explain.html", one);
      const link = el("a", { href: URL.createObjectURL(blob), download: `explain-${one.name.replace(/\.[^.]*$/, "").replace(/[^\w-]+/g, "-").slice(0, 40) || "picture"}.html` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (error) {
      say(["The page could not be made."], [told(error)]);
    }
    page.disabled = false;
  }

  async function offer() {
    const { examples } = await get(`/api/nets/${encodeURIComponent(name)}/examples`).catch(() => ({ examples: [] }));
    const buttons = examples.slice(0, 12).map((example) => el("button", { type: "button", className: "card", textContent: example, onclick: () => (items.push({ name: example, data: null, text: "", example }), enter(items.length - 1)) }));
    if (buttons.length) offers.replaceChildren(el("h2", { textContent: "Or begin with a picture it was tested on" }), el("div", { className: "strip-list" }, ...buttons));
  }

  const keys = (event) => {
    if (event.key !== "Escape" || box === null) return;
    box = null;
    draw(items[chosen]);
  };
  addEventListener("keydown", keys);
  await offer();
  const kept = await recall(name);
  items = (kept?.items || []).map((one) => ({ ...one }));
  chosen = Math.max(0, Math.min(items.length - 1, kept?.chosen ?? 0));
  const example = state().get("example");
  if (example) chosen = items.push({ name: example, data: null, text: "", example }) - 1;
  cards.draw(items, chosen);
  show();
  answerAll();
  return {
    close() {
      closed = true;
      cards.close();
      removeEventListener("keydown", keys);
    },
  };
}

// "14 RBC, 1 WBC", the most frequent first.
function counts(boxes) {
  const found = new Map();
  for (const { class: label } of boxes) found.set(label, (found.get(label) || 0) + 1);
  return [...found].sort((a, b) => b[1] - a[1]).map(([label, n]) => `${n.toLocaleString("en")} ${label}`).join(", ") || "nothing";
}

const listed = (names) => (names.length > 8 ? `${names.slice(0, 7).join(", ")} and ${names.length - 7} more classes` : names.join(", ").replace(/, ([^,]*)$/, " and $1"));
