// Draws what the features of a net answer to: a row a layer, and one feature in the lens, from which links lead down to
// what feeds it and up to what it feeds. All stands in the page; nothing is fetched.

import { el, signed, two } from "./colours.js";

const data = JSON.parse(document.getElementById("data").textContent);
const lens = document.getElementById("lens");
const layers = new Map(data.layers.map((layer) => [layer.name, layer]));
const features = new Map(); // layer/number -> { layer, one, link, users }
const keyOf = (layer, feature) => `${layer.name}/${feature + 1}`;
for (const layer of data.layers) for (const one of layer.shown) features.set(keyOf(layer, one.index), { layer, one, users: [] });
for (const user of features.values())
  for (const feed of user.one.feeds) if (!("word" in feed)) features.get(`${feed.layer}/${feed.feature + 1}`)?.users.push({ ...user, feed });

const counted = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const nameOf = (layer, feature) => (layer.roof ? data.classes[feature] : `feature ${feature + 1}`);
const every = (layer) => (layer.every ? `, a step ${layer.every}` : "");
const capital = (words) => words[0].toUpperCase() + words.slice(1);

function picture(which, alt = "") {
  const image = el("img", { alt, decoding: "async" });
  image.addEventListener("load", () => image.classList.toggle("few", Math.max(image.naturalWidth, image.naturalHeight) <= 48));
  image.src = data.pictures[which];
  return image;
}

// ---- the sheet

function facts(layer) {
  const box = el("div", {}, el("h2", { textContent: layer.roof ? "the classes" : layer.text }));
  const say = (textContent) => box.append(el("p", { textContent }));
  say(layer.name);
  say(counted(layer.features, layer.roof ? "class" : "feature", layer.roof ? "classes" : undefined));
  say(layer.whole ? `sees all, ${layer.sees}` : `sees ${layer.sees}${every(layer)}`);
  if (layer.dead) say(`${layer.dead} ${layer.dead === 1 ? "answers" : "answer"} to nothing`);
  if (layer.shown.length < layer.features) say(`${layer.shown.length} shown`);
  return box;
}

function card(layer, one) {
  const link = el("a", { className: "feature", href: `#${keyOf(layer, one.index)}` });
  if (data.wide) link.classList.add("wide");
  if (one.dead) link.classList.add("dead");
  if (data.spelt) {
    link.classList.add("words");
    const told = layer.roof ? votersInWords(one) : phrases(one).slice(0, 3);
    link.append(el("span", { className: "phrases", textContent: told.join(", ") || "\u2013" }));
  } else {
    const looks = el("span", { className: "looks" });
    if (one.exciting) looks.append(picture(one.exciting[0]));
    else link.classList.add("alone");
    looks.append(el("span", { className: "patches" }, ...one.patches.map((patch) => picture(patch.picture))));
    link.append(looks);
  }
  link.append(el("b", { textContent: layer.roof ? nameOf(layer, one.index) : String(one.index + 1) }));
  if (one.dead) link.append(" answers to nothing");
  else if (!layer.roof) link.append(` ${one.class}, ${one.share}`);
  if (layer.roof && !data.spelt) link.append(voters(one));
  const words = one.dead ? "answers to nothing" : `answers most to ${one.class}, in ${one.share} of all ${data.many}`;
  link.setAttribute("aria-label", layer.roof ? `Class ${nameOf(layer, one.index)}` : `Feature ${one.index + 1} of ${layer.name}: ${words}`);
  return link;
}

const phrases = (one) => [...new Set(one.patches.map((patch) => patch.where))];

// Of a class the phrase that each of its strongest voters answers to most.
function votersInWords(one) {
  const lower = one.feeds.filter((feed) => feed.value > 0).map((feed) => features.get(`${feed.layer}/${feed.feature + 1}`));
  return [...new Set(lower.filter(Boolean).flatMap((found) => phrases(found.one).slice(0, 1)))];
}

function voters(one) {
  const box = el("span", { className: "voters" });
  for (const feed of one.feeds.filter((feed) => feed.value > 0)) {
    const lower = features.get(`${feed.layer}/${feed.feature + 1}`);
    const looks = lower && lookOf(lower.one);
    if (looks) box.append(looks);
  }
  return box;
}

function lookOf(one) {
  if (one.exciting) return picture(one.exciting[0]);
  return one.patches[0]?.picture === undefined ? null : picture(one.patches[0].picture);
}

function drawSheet() {
  const sheet = document.getElementById("layers");
  for (const layer of data.layers) {
    const row = el("div", { className: "features" });
    layer.shown.forEach((one, i) => {
      const found = features.get(keyOf(layer, one.index));
      found.link = card(layer, one);
      found.link.tabIndex = i ? -1 : 0; // a stop a layer; arrows lead on
      found.link.addEventListener("keydown", (event) => walk(event, layer, i));
      row.append(found.link);
    });
    const section = el("section", { className: "layer" }, facts(layer), row);
    section.setAttribute("aria-label", layer.roof ? "The classes" : layer.name);
    sheet.append(section);
  }
}

function walk(event, layer, i) {
  const at = data.layers.indexOf(layer);
  const [row, column] = { ArrowRight: [at, i + 1], ArrowLeft: [at, i - 1], ArrowDown: [at + 1, i], ArrowUp: [at - 1, i] }[event.key] || [];
  if (row === undefined) return;
  event.preventDefault();
  const to = data.layers[row];
  if (to && column >= 0) focusOn(to, to.shown[Math.min(column, to.shown.length - 1)]);
}

function focusOn(layer, one) {
  for (const other of layer.shown) features.get(keyOf(layer, other.index)).link.tabIndex = other === one ? 0 : -1;
  features.get(keyOf(layer, one.index)).link.focus();
}

// ---- the lens

function openLens({ layer, one, users }) {
  for (const { link } of features.values()) link.classList.remove("on");
  features.get(keyOf(layer, one.index)).link.classList.add("on");
  lens.replaceChildren(el("h3", { textContent: layer.roof ? nameOf(layer, one.index) : `${capital(nameOf(layer, one.index))} of ${layer.name}` }));
  const say = layer.whole ? `Sees all of the ${data.noun}` : `Sees ${layer.sees} of the ${data.noun}${every(layer)}`;
  const to = one.dead ? "Answers to nothing: no example brings it over 0" : layer.roof ? "" : `Answers in ${one.share} of the ${data.many}, most to ${one.class}`;
  lens.append(el("p", { className: "facts", textContent: [to, say].filter(Boolean).join(". ") + "." }));
  const byClass = !layer.roof && !one.dead && one.classes.length;
  if (one.exciting) {
    const [which, value] = one.exciting;
    const words = el("figcaption", {}, el("b", { textContent: two(value) }), " what excites it most");
    const drawn = el("figure", {}, picture(which, "What excites it most"), words);
    lens.append(el("div", { className: `excited${data.wide ? " wide" : ""}` }, drawn, ...(byClass ? [bars(one)] : [])));
  }
  if (one.patches.length) lens.append(heading(one.dead ? "What comes nearest" : "Answers most to", `strongest first, one ${data.noun} each`), best(layer, one));
  if (one.feeds.length) lens.append(heading(layer.roof ? "What votes for it" : "What feeds it", "weight × value, the mean over these patches"), fed(layer, one));
  if (users.length) lens.append(heading("What it feeds", "where it is among the strongest"), used(users));
  if (byClass && !one.exciting) lens.append(heading("By class", ""), bars(one));
  lens.scrollTop = 0;
}

const heading = (words, small) => el("h4", {}, `${words} `, el("small", { textContent: small }));

function best(layer, one) {
  const box = el("div", { className: `best${data.spelt ? " words" : ""}${data.wide ? " wide" : ""}` });
  for (const patch of one.patches) {
    const example = data.examples[patch.example];
    const figure = el("figure");
    if (data.spelt) figure.append(el("q", { textContent: patch.where }));
    else figure.append(looks(patch, example));
    const words = el("figcaption", {}, el("b", { textContent: two(patch.value) }), ` ${example.label}`);
    if (!data.spelt || !layer.whole) words.append(el("br"), example.name);
    if (patch.box) words.append(el("br"), patch.where);
    box.append(figure);
    figure.append(words);
  }
  return box;
}

function looks(patch, example) {
  const box = el("div", { className: "looks" }, picture(patch.picture, `${example.name}, ${patch.where}`));
  if (!patch.box || example.picture === undefined) return box;
  const mark = el("i");
  const [[top, height], [left, width]] = patch.box.length > 1 ? patch.box : [[0, 100], patch.box[0]];
  mark.style.cssText = `top:${top}%;height:${height}%;left:${left}%;width:${width}%`;
  const whole = picture(example.picture);
  const [h, w] = data.sizes;
  if (!data.wide) whole.style.cssText = `width:${(58 * w) / Math.max(h, w)}px;height:${(58 * h) / Math.max(h, w)}px`;
  box.append(el("span", { className: "whole" }, whole, mark));
  return box;
}

function fed(layer, one) {
  const box = el("div", { className: "fed" });
  const most = Math.max(...one.feeds.map((feed) => Math.abs(feed.value)), 1e-9);
  for (const feed of one.feeds) {
    const lower = "word" in feed ? null : features.get(`${feed.layer}/${feed.feature + 1}`);
    const looks = lower && lookOf(lower.one);
    const track = el("i", { className: feed.value > 0 ? "" : "against" });
    track.style.width = `${(100 * Math.abs(feed.value)) / most}%`;
    box.append(
      looks || el("span"),
      lower ? linkTo(lower, feed) : el("span", { textContent: plainName(feed) }),
      el("span", { className: "track" }, track),
      el("span", { className: `n ${feed.value > 0 ? "for" : "against"}`, textContent: signed(feed.value) }),
      el("span", { className: "n", textContent: feed.share }),
    );
  }
  const line = (words, value, total = "") => box.append(el("span", { className: `wide ${total}`, textContent: words }), el("span", { className: `n ${total}`, textContent: signed(value) }), el("span", { className: total, textContent: total ? "\u00a0" : "" }));
  if (one.rest[0]) line(counted(one.rest[0], "weaker one"), one.rest[1]);
  line("bias", one.bias);
  line("its value", one.value, "total");
  return box;
}

function linkTo({ layer, one }, feed) {
  const words = one.dead ? ", dead" : `, ${one.class}`;
  return el("a", { href: `#${keyOf(layer, one.index)}`, textContent: `${layer.name} ${one.index + 1}${words}${feed?.skip ? ", by the way around" : ""}` });
}

function plainName(feed) {
  if ("word" in feed) return feed.word;
  if (feed.layer !== "input") return `${feed.layer} ${feed.feature + 1}${feed.skip ? ", by the way around" : ""}`;
  return data.channels === 3 ? ["red", "green", "blue"][feed.feature] : data.channels === 1 ? `the ${data.noun} itself` : `channel ${feed.feature + 1}`;
}

function used(users) {
  const box = el("div", { className: "used" });
  for (const { layer, one, feed } of users.sort((a, b) => b.feed.value - a.feed.value)) {
    const look = layer.roof ? null : lookOf(one);
    const words = `${layer.roof ? nameOf(layer, one.index) : `${layer.name} ${one.index + 1}`} ${signed(feed.value)}`;
    box.append(el("a", { href: `#${keyOf(layer, one.index)}` }, ...(look ? [look] : []), words));
  }
  return box;
}

function bars(one) {
  const box = el("div", { className: "bars" }, el("small", { textContent: "by class: its best answer in the mean, how many over 0" }));
  const most = Math.max(...one.classes.map(([, mean]) => mean), 1e-9);
  for (const [name, mean, share] of one.classes) {
    const bar = el("i");
    bar.style.width = `${Math.max(0, (100 * mean) / most)}%`;
    box.append(el("span", { textContent: name }), el("span", {}, bar), el("span", { className: "n", textContent: two(mean) }), el("span", { className: "n", textContent: share }));
  }
  return box;
}

// ---- the address

function openAddress(walked) {
  const found = features.get(decodeURIComponent(location.hash.slice(1)));
  if (found) openLens(found);
  else if (!walked) openLens(strongest());
  if (found && matchMedia("(max-width: 1000px)").matches) lens.scrollIntoView();
  if (found && walked) lens.focus({ preventScroll: true });
}

// Without an address: what votes most for the first class.
function strongest() {
  const roof = data.layers.at(-1);
  const feed = roof.shown[0].feeds[0];
  return (feed && features.get(`${feed.layer}/${feed.feature + 1}`)) || features.get(keyOf(roof, roof.shown[0].index));
}

addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !lens.contains(document.activeElement)) return;
  const found = features.get(decodeURIComponent(location.hash.slice(1)));
  if (found) focusOn(found.layer, found.one);
});
drawSheet();
openAddress(false);
addEventListener("hashchange", () => openAddress(true));
