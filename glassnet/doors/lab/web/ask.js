// Ask: one strip of files or sentences, one answer in large, and what spoke for it.

import { askAbout, decode, get, latest, Refusal, shorten } from "./api.js";
import { el, readColours, signed } from "./colours.js";
import { byFeature, byShare, everyClass, share } from "./evidence.js";
import { heard } from "./heard.js";
import { isNone, noneOf } from "./none.js";
import { keep, recall } from "./recent.js";
import { places } from "./places.js";
import { columns, curve, phrasesOf, rowsOf, said } from "./said.js";
import { FILED, footer, netFacts, netName, remember, sentence, state, strong, told } from "./shell.js";
import { strip } from "./strip.js";

const KEPT = 30; // explanations that are kept
const LARGEST = 10_000_000; // bytes of a file, as the server takes them
const NOUNS = { pictures: "pictures", sounds: "sounds", series: "series (.csv, .npy)", volumes: "volumes (.npy)", sentences: "text files", tables: "tables (.csv)" };
const TYPED = { sentences: ["A sentence to ask about", "Type a sentence"], series: ["Numbers of a series", "Paste numbers: a row a moment, or a line a channel"], tables: ["A row of numbers", "Paste a row of numbers, or a header and a row"] };

export default async function open(main) {
  const net = await netFacts();
  if (net.kind === "boxes") return (await import("./detect.js")).default(main, net);
  const name = netName();
  const isText = net.kind === "sentences";
  let items = []; // {name, data, text, example, answer, error, picture, why}
  let chosen = 0;
  let of = state().get("class");
  let shown = null; // the drawing of the input
  let closed = false;
  let covering = new AbortController();

  const page = el("button", { type: "button", textContent: "Save this page", onclick: save, hidden: true });
  const look = el("a", { className: "button", textContent: "Look inside", hidden: true });
  const { node: answer, say } = sentence([look, page]);
  const cards = strip({ takes: NOUNS[net.kind] || "files", on: { choose, add, clear } });
  const [label, hint] = TYPED[net.kind] || ["What to ask about", "Type it"];
  const typed = net.typed ? el("textarea", { rows: 2, maxLength: 5000, placeholder: hint, ariaLabel: label, value: state().get("text") || "" }) : null;
  const asked = el("div", { id: "asked", className: "asked" });
  asked.setAttribute("role", "tabpanel");
  asked.setAttribute("aria-label", "The answer and its reasons");
  const offers = el("section", { className: "offers", hidden: true, ariaLabel: "Examples of this net" });
  const foot = footer(`Files stay on this machine.${net.tested ? ` ${net.tested}` : ""}`, [
    [["←", "→"], "the next one asked about"],
    ...(net.kind === "sounds" ? [[["P"], "play"]] : []),
  ]);
  foot.firstChild.append(" ", el("a", { href: "/api", textContent: "Ask from a program" }));
  main.append(answer, ...(typed ? [el("div", { className: "typed" }, typed)] : []), cards.node, asked, offers, foot);

  const put = (route, one, more, signal) => askAbout(name, route, one, more, signal);

  // Asks about all that has no answer yet, one after the other, the chosen one first.
  const answerAll = latest(async () => {
    for (let i = nextUnasked(); i >= 0 && !closed; i = nextUnasked()) await answerOne(items[i]);
  }, () => {});
  const nextUnasked = () => (isUnasked(items[chosen]) ? chosen : items.findIndex(isUnasked));
  const isUnasked = (one) => one && !one.answer && !one.error;

  async function answerOne(one) {
    try {
      const { picture, ...found } = await put("predict", one, { picture: true });
      one.answer = found;
      one.picture = isText ? "" : picture;
    } catch (error) {
      one.error = told(error);
    }
    if (closed || !items.includes(one)) return;
    cards.update(items, items.indexOf(one));
    if (one === items[chosen]) show();
  }

  async function add(files) {
    const first = items.length;
    const more = await Promise.all(files.map(async (file) => {
      const one = { name: file.name || "pasted", data: file, text: "" };
      if (file.size > LARGEST) return [{ ...one, error: `${one.name}: expected at most ${LARGEST.toLocaleString("en")} bytes, found ${file.size.toLocaleString("en")}. Make it smaller.` }];
      return net.kind === "tables" ? rowsOf(file) : [one];
    }));
    items.push(...more.flat());
    enter(first);
  }

  function enter(i) {
    cards.draw(items, i);
    choose(i);
    answerAll();
    keepFiles();
  }

  function keepFiles() {
    const files = items.filter((one) => one.data && one.data.size <= LARGEST);
    keep(name, files, files.indexOf(items[chosen]));
  }

  function clear() {
    items = [];
    chosen = 0;
    remember({ example: null, text: null, class: null }, { replace: false });
    if (typed) typed.value = "";
    cards.draw(items, 0);
    keepFiles();
    show();
  }

  function choose(i) {
    const before = items[chosen];
    chosen = i;
    const one = items[i];
    if (one !== before) of = null;
    cards.choose(items, i);
    remember({ example: one?.example || null, text: one && !one.data && !one.example ? one.text : null, class: of }, { replace: one === before });
    show();
    keepFiles();
  }

  async function show() {
    const one = items[chosen];
    covering.abort(); // what nobody looks at any more
    covering = new AbortController();
    offers.hidden = !!items.length;
    page.hidden = !one?.answer || net.exported;
    asked.setAttribute("aria-labelledby", one ? `card-${chosen}` : "");
    lookAt(one);
    if (!one) return empty();
    if (one.error) {
      shown?.close?.();
      shown = null;
      asked.replaceChildren();
      return say([`${short(one.name)} can’t be read.`], [one.error]);
    }
    if (!one.answer) return say(["The net is being asked."], [one.name]);
    if (net.exported) return drawAnswer(one);
    try {
      if (!one.why) {
        tell(one);
        one.why = await put("explain", one, { covered: false });
        forget();
        if (one !== items[chosen] || closed) return;
      }
      drawAll(one);
      if (one.why.isCovered) return;
      Object.assign(one.why, await put("covered", one, {}, covering.signal), { isCovered: true });
      if (one !== items[chosen] || closed) return;
      shown?.draw();
      tell(one);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refusal)) console.warn(error.message);
      if (one === items[chosen] && !closed) say([`That is ${one.answer.class}.`], [told(error)]);
    }
  }

  // Look opens the model's own examples, and pictures that can be drawn.
  function lookAt(one) {
    const at = one?.example ? { example: examples.indexOf(one.example) } : one?.why?.drawn ? { x: shorten(decode(one.why.drawn)) } : null;
    look.hidden = !at;
    if (at) look.href = `/look?${new URLSearchParams({ net: name, ...at })}`;
  }

  function forget() {
    const known = items.filter((one) => one.why && one !== items[chosen]);
    for (const one of known.slice(0, Math.max(0, known.length - KEPT))) one.why = null;
  }

  function tell(one) {
    const { class: leads, score } = one.answer;
    const names = byShare(one.answer.votes);
    const why = one.why;
    const lead = [];
    if (why) {
      if (isLong(why)) lead.push(`The mean of ${why.part.of} parts; the loudest, from ${why.part.begins_s.toFixed(2)} s on, says ${why.class}. `);
      const line = why.lines[why.class][0];
      const phrase = why.words && phrasesOf(why)[0];
      const apart = why.votes[why.class].logit - Math.max(...names.filter((other) => other !== why.class).map((other) => why.votes[other].logit));
      if (phrase) lead.push(`${phrase.words} votes ${signed(phrase.vote)} for ${why.class}, which leads by `, strong(signed(apart).replace("+", "")), ".");
      else if (line) lead.push(`The loudest of ${why.values.toLocaleString("en")} values, ${line.words}, votes ${signed(line.vote)} for ${why.class}, which leads by `, strong(signed(apart).replace("+", "")), ".");
      if (why.hangs_on.length && !isLong(why)) lead.push(` It hangs most on ${why.hangs_on.join(", ").replace(/, ([^,]*)$/, " and $1")}.`);
      if (why.views > 1) lead.push(" The mirror image was asked too; each vote is the mean of both.");
    } else if (names.length > 1) lead.push(`Next comes ${names[1]}, ${share(one.answer.votes[names[1]])}.`);
    if (isNone(one.answer)) return say(...noneOf(one.answer));
    const article = leads.length === 1 ? (/^[AEFHILMNORSX8]$/i.test(leads) ? "an " : "a ") : "";
    say([`That is ${article}`, strong(leads), `, ${share(score)}.`], lead);
  }

  function drawAll(one) {
    const why = one.why;
    lookAt(one);
    shown?.close?.();
    const voted = why.lines[of] ? of : why.class;
    const shares = isLong(why) ? Object.fromEntries(Object.entries(why.votes).map(([other, { probability }]) => [other, probability])) : one.answer.votes;
    const names = byShare(shares);
    const makers = { sounds: () => heard(why, { ask: (pieces) => put("heard", one, { pieces }), told }), sentences: () => said(why), tables: () => columns(why) };
    const flat = why.shape.length === 2 ? () => curve(why) : () => places(why, state().get("over") || (why.voted ? "votes" : "covered"), { view: (over) => remember({ over }) });
    shown = (why.words || !isText) && makers[net.kind] ? makers[net.kind]() : flat();
    const pick = (other) => {
      of = other === why.class ? null : other;
      remember({ class: of }, { replace: false });
      drawAll(one);
      asked.querySelector('.share[aria-pressed="true"]')?.focus();
    };
    const next = names.find((other) => other !== voted);
    const head = el("div", { className: "asked-head" }, el("h3", { textContent: `${capital(voted)}, ${share(shares[voted])}` }), el("p", { className: "facts", textContent: voted === names[0] ? `runner-up: ${next} ${share(shares[next])}` : `${isLong(why) ? "this part" : "the answer"}: ${names[0]} ${share(shares[names[0]])}` }));
    const own = voted === why.class ? shown.table?.() || [] : [];
    asked.className = `asked kind-${net.kind}`;
    asked.replaceChildren(el("div", { className: "asked-seen" }, shown.node), el("div", { className: "asked-why" }, head, ...own, byFeature(why, voted, { patch: shown.patch, point: shown.point }), everyClass(shares, voted, pick)));
    shown.draw();
    tell(one);
  }

  // What an exported file says: the classes by their shares, beside the input. There are no reasons to draw.
  function drawAnswer(one) {
    const { votes } = one.answer;
    const [first, next] = byShare(votes);
    const head = el("div", { className: "asked-head" }, el("h3", { textContent: `${capital(first)}, ${share(votes[first])}` }), el("p", { className: "facts", textContent: next ? `runner-up: ${next} ${share(votes[next])}` : "" }));
    asked.className = "asked";
    asked.replaceChildren(el("div", { className: "asked-seen" }, ...inputOf(one)), el("div", { className: "asked-why" }, head, everyClass(votes, first, null), el("p", { className: "facts", textContent: FILED })));
    tell(one);
  }

  function inputOf(one) {
    if (isText) return [el("p", { className: "said-large", textContent: one.text || one.name })];
    const sound = net.kind === "sounds" && one.data ? [el("audio", { controls: true, src: one.url ||= URL.createObjectURL(one.data) })] : [];
    return [...(one.picture ? [el("img", { className: "asked-input", src: one.picture, alt: `${one.name}, as the net sees it` })] : []), ...sound];
  }

  let examples = [];
  function empty() {
    shown?.close?.();
    shown = null;
    asked.replaceChildren();
    const takes = net.kind === "sentences" ? "a sentence" : "something";
    say([`Ask it about ${takes}.`], [`${net.name === "slides" ? "The slides’ net" : net.name} tells ${listed(net.classes)} apart. The same place takes one file or a thousand.`]);
  }

  async function offer() {
    ({ examples } = await get(`/api/nets/${encodeURIComponent(name)}/examples`).catch(() => ({ examples: [] })));
    const some = examples.slice(0, 12).map((example) => ({ name: example, data: null, text: "", example }));
    const buttons = some.map((one) => {
      const node = el("button", { type: "button", className: "card", onclick: () => (items.push({ ...one }), enter(items.length - 1)) }, el("span", { className: "thumb" }), el("span", { textContent: one.name }));
      put("predict", one, { picture: true }).then(({ picture }) => node.querySelector(".thumb").append(el("img", { src: picture, alt: "" })), () => {});
      return node;
    });
    if (isText) buttons.push(...["a gripping, beautiful film that never bores", "dull, slow and far too long"].filter(() => net.classes.includes("pos")).map((text) => el("button", { type: "button", className: "card", onclick: () => ((typed.value = text), ask(text)) }, el("span", { textContent: text }))));
    if (buttons.length) offers.replaceChildren(el("h2", { textContent: "Or begin with one of these" }), el("div", { className: "strip-list" }, ...buttons));
  }

  // What is typed is asked about at once; it is one item, the last of those without a file.
  const ask = latest(async (text) => {
    let i = items.findIndex((one) => one.isTyped);
    if (!text.trim()) {
      if (i >= 0) items.splice(i, 1);
      cards.draw(items, 0);
      return choose(0);
    }
    if (i < 0) i = items.push({}) - 1;
    items[i] = { name: text, text, data: null, isTyped: true };
    chosen = i;
    of = null;
    cards.draw(items, i);
    remember({ text, example: null, class: null });
    const one = items[i];
    await answerOne(one);
  }, () => {});

  async function save() {
    const one = items[chosen];
    page.disabled = true;
    try {
      const blob = await put("explain.html", one);
      const link = el("a", { href: URL.createObjectURL(blob), download: `explain-${one.name.replace(/\.[^.]*$/, "").replace(/[^\w-]+/g, "-").slice(0, 40) || "input"}.html` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (error) {
      say([`The page could not be made.`], [told(error)]);
    }
    page.disabled = false;
  }

  const keys = (event) => {
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.toLowerCase() === "p") shown?.toggle?.();
  };
  addEventListener("keydown", keys);
  let pause;
  typed?.addEventListener("input", () => (clearTimeout(pause), (pause = setTimeout(() => ask(typed.value), 150))));
  const resized = new ResizeObserver(() => net.kind !== "sounds" && shown?.draw());
  resized.observe(asked);

  await offer();
  const kept = await recall(name);
  items = (kept?.items || []).map((one) => ({ ...one }));
  chosen = Math.max(0, Math.min(items.length - 1, kept?.chosen ?? 0));
  const { example, text } = Object.fromEntries(state());
  if (example) items.push({ name: example, data: null, text: "", example });
  if (text) items.push({ name: text, data: null, text, isTyped: true });
  if (example || text) chosen = items.length - 1;
  cards.draw(items, chosen);
  show();
  answerAll();
  return {
    close() {
      closed = true;
      covering.abort();
      clearTimeout(pause);
      shown?.close?.();
      cards.close();
      resized.disconnect();
      removeEventListener("keydown", keys);
    },
    repaint: () => (readColours(), shown?.draw()),
  };
}

const isLong = (why) => why.part?.of > 1; // a sound of several parts, of which the loudest is shown
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const short = (text) => (text.length > 40 ? `${text.slice(0, 37)}...` : text);
const listed = (names) => (names.length > 8 ? `${names.slice(0, 7).join(", ")} and ${names.length - 7} more` : names.join(", ").replace(/, ([^,]*)$/, " and $1"));
