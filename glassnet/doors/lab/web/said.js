// A sentence on the colours of its words' votes, and a series as a curve above the votes of its moments.

import { css, el, minus, signed, textOn, unpack, valueColour } from "./colours.js";
import { voteTable } from "./evidence.js";
import { bars, svg } from "./plots.js";

const PHRASES = 7;
const MARK = /^[^\w"“(\[]+$/;

// The words as they were typed. Those beyond the net's length, and those it never met, are marked.
export function said(why) {
  const box = el("p", { className: "words said-large" });
  const note = el("p", { className: "facts" });
  const read = why.shape.at(-1);
  let spans = [];

  function draw() {
    const heat = why.voted || why.occluded;
    const values = heat && unpack(heat.values);
    const most = values ? values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-12) : 1;
    spans = why.words.map((word, i) => {
      const one = el("span", { textContent: word });
      if (i >= read) one.className = "unread";
      else if (!why.known[i]) one.classList.add("unknown");
      if (values && i < read) {
        const v = values[Math.min(values.length - 1, Math.floor((i * values.length) / read))];
        const tone = valueColour(v / most);
        one.style.background = css(tone);
        one.style.color = textOn(tone);
        one.title = `${signed(v)}${why.known[i] ? "" : ", a word that the training examples lack"}`;
      }
      return one;
    });
    box.replaceChildren(...spans.flatMap((one, i) => (i && !MARK.test(one.textContent) ? [" ", one] : [one])));
    const strange = why.known.filter((known, i) => !known && i < read).length;
    note.textContent = [
      why.voted ? `Words on the colours of their votes for ${why.class}: warm for, cool against.` : "Words on the colours of what the answer loses without them.",
      strange ? `${strange === 1 ? "One word" : `${strange} words`}, underlined, never stood in a training example.` : "",
      why.words.length > read ? `Only the first ${read} words are read.` : "",
    ].filter(Boolean).join(" ");
  }

  const point = (saw) => spans.forEach((one, i) => one.classList.toggle("seen", !!saw && i >= saw[0][0] && i < saw[0][1]));

  draw();
  return {
    node: el("figure", { className: "seen" }, box, el("figcaption", {}, note)),
    draw,
    point,
    table: () => phrases(why, point),
  };
}

// The values that vote, gathered by the phrase that each was made of: [{words, vote, count}], the loudest first.
export function phrasesOf(why) {
  const { values } = why.votes[why.class];
  const found = new Map();
  for (const { made_of: [phrase] = [], vote } of values) {
    if (!phrase) continue;
    const one = found.get(phrase) || { vote: 0, count: 0 };
    found.set(phrase, { vote: one.vote + vote, count: one.count + 1 });
  }
  return [...found].map(([words, one]) => ({ words, ...one })).sort((a, b) => Math.abs(b.vote) - Math.abs(a.vote));
}

function phrases(why, point) {
  const every = phrasesOf(why);
  if (!every.length) return [];
  const others = every.length - PHRASES;
  return [
    voteTable({
      title: "Which phrases spoke",
      aside: "votes of all values that were made of one, added up",
      head: "",
      rows: every.slice(0, PHRASES).map(({ words, vote, count }) => ({ words, facts: count === 1 ? "1 value" : `${count} values`, vote, point: (on) => point(on ? placeOf(why, words) : null) })),
      rest: others > 0 ? `${others} weaker ${others === 1 ? "phrase" : "phrases"} and the bias` : "the bias",
      name: why.class,
      logit: why.votes[why.class].logit,
    }),
  ];
}

// Where a phrase stands, [[from, beyond]], by its words as the net knows them.
function placeOf(why, phrase) {
  const at = why.axes[0].at;
  for (let i = 0; i < at.length; i++) for (let n = 1; n <= 7 && i + n <= at.length; n++) if (`\u201c${at.slice(i, i + n).filter(Boolean).join(" ")}\u201d` === phrase) return [[i, i + n]];
  return null;
}

// A line a channel, each from its lowest to its highest value.
export function curve(why) {
  const [channels, moments] = why.shape;
  const values = unpack(why.x);
  const box = el("div", { className: "curves" });
  const axis = why.axes.at(-1);
  const note = el("p", { className: "facts" });
  const mark = el("i", { className: "stretch", hidden: true });

  function line(c) {
    const mine = values.slice(c * moments, (c + 1) * moments);
    const low = mine.reduce((a, b) => Math.min(a, b), Infinity);
    const spread = mine.reduce((a, b) => Math.max(a, b), -Infinity) - low || 1;
    const picture = svg("svg", { viewBox: `0 0 ${moments} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const path = [...mine].map((v, i) => `${i ? "L" : "M"}${i + 0.5} ${(96 - (92 * (v - low)) / spread).toFixed(1)}`).join("");
    picture.append(svg("path", { d: path, class: "held", "vector-effect": "non-scaling-stroke" }));
    return picture;
  }

  function draw() {
    const heat = why.voted || why.occluded;
    box.replaceChildren(mark, ...Array.from({ length: Math.min(channels, 6) }, (_, c) => line(c)), ...(heat ? [bars(unpack(heat.values), { name: why.voted ? "votes" : "loss when covered" })] : []));
    note.textContent = `${channels > 1 ? `${channels} channels of ` : ""}${moments.toLocaleString("en")} ${axis.name}s${channels > 6 ? ", 6 channels shown" : ""}. ${why.voted ? `Below: votes for ${why.class} by ${axis.name}.` : heat ? `Below: what ${why.class} loses when a piece is covered.` : ""}`;
  }

  draw();
  return {
    node: el("figure", { className: "seen" }, box, el("figcaption", {}, note)),
    draw,
    point(saw) {
      mark.hidden = !saw;
      if (!saw) return;
      mark.style.left = `${(100 * saw[0][0]) / moments}%`;
      mark.style.width = `${(100 * (saw[0][1] - saw[0][0])) / moments}%`;
    },
  };
}

// A row's columns with their values, and what the answer loses without each.
export function columns(why) {
  const values = unpack(why.x);
  const body = el("tbody");
  const note = el("p", { className: "facts" });

  function draw() {
    const heat = why.occluded && unpack(why.occluded.values);
    const most = heat ? heat.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-12) : 1;
    body.replaceChildren(
      ...why.axes[0].at.map((name, i) => {
        const bar = el("i", { className: heat?.[i] < 0 ? "against" : "for", hidden: !heat });
        bar.style.width = `${heat ? (100 * Math.abs(heat[i])) / most : 0}%`;
        const held = el("td", { className: "n", textContent: minus(String(+values[i].toPrecision(5))) });
        return el("tr", {}, el("th", { scope: "row", textContent: name }), held, el("td", { className: "track" }, el("span", {}, bar)), el("td", { className: "n", textContent: heat ? signed(heat[i]) : "" }));
      }),
    );
    note.textContent = heat ? `Bars: what ${why.class} loses when a column is covered.` : "Columns are being covered, one after the other.";
  }

  draw();
  const head = el("tr", {}, el("th", { scope: "col", textContent: "column" }), el("th", { scope: "col", className: "n", textContent: "value" }), el("td"), el("th", { scope: "col", className: "n", textContent: "loss" }));
  return { node: el("figure", { className: "seen" }, el("table", { className: "row-values" }, el("thead", {}, head), body), el("figcaption", {}, note)), draw, point: () => {} };
}

// A table's rows, each with its header, as things to ask about.
export async function rowsOf(file) {
  const whole = await file.text();
  const [header, ...rows] = whole.split(/\r?\n/);
  if (whole.includes("\0") || whole.includes("\ufffd")) return [{ name: file.name, data: file, text: "" }]; // no text
  const alone = header.split(/[,;\t]/).every((word) => word.trim() && Number.isFinite(+word));
  const given = (alone ? [header, ...rows] : rows).map((row, i) => [row, i + (alone ? 1 : 2)]).filter(([row]) => row.trim());
  return given.slice(0, 1000).map(([row, line]) => ({ name: `${file.name}, line ${line}`, data: new Blob([alone ? row : `${header}\n${row}`]), text: "" }));
}
