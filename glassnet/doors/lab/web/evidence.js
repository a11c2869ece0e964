// What spoke: votes as value × weight with bars, adding up to the net's own figure; and every class by its share.

import { el, signed, two, unpack } from "./colours.js";

// A share of 1 with two decimals, never rounded to all or nothing.
export const share = (v) => (v > 0.994 && v < 1 ? ">0.99" : v > 0 && v < 0.006 ? "<0.01" : v.toFixed(2));

const cents = (v) => Math.round(v * 100);
const MOST = 7;

// rows: [{mark, words, facts, value, weight, vote, point(on)}]. rest: words for what is not listed. The printed figures add up.
export function voteTable({ title, aside, head, rows, rest, name, logit }) {
  const most = Math.max(...rows.map((one) => Math.abs(one.vote)), 1e-9);
  const [low, high] = [Math.max(0, -Math.min(...rows.map((one) => one.vote))), Math.max(0, Math.max(...rows.map((one) => one.vote)))];
  const zero = (100 * low) / (low + high || 1);
  const lines = rows.map((one) => {
    const bar = el("i", { className: one.vote < 0 ? "against" : "for" });
    const width = (100 * Math.abs(one.vote)) / (low + high || most);
    bar.style.left = `${one.vote < 0 ? zero - width : zero}%`;
    bar.style.width = `${width}%`;
    const axis = el("b");
    axis.style.left = `${zero}%`;
    const words = one.point ? el("button", { type: "button", className: "pointer", textContent: one.words }) : el("span", { textContent: one.words });
    const line = el(
      "tr",
      {},
      el("td", { className: "mark" }, ...(one.mark ? [one.mark] : [])),
      el("td", {}, words, ...(one.facts ? [el("small", { textContent: one.facts })] : [])),
      el("td", { className: "n factors", textContent: one.weight === undefined ? "" : `${two(one.value)} × ${two(one.weight)}` }),
      el("td", { className: "track" }, el("span", {}, axis, bar)),
      el("td", { className: `n ${one.vote < 0 ? "against" : "for"}` }, el("b", { textContent: signed(one.vote) })),
    );
    if (one.point) {
      for (const [event, on] of [["pointerenter", true], ["pointerleave", false], ["focusin", true], ["focusout", false]]) line.addEventListener(event, () => (line.classList.toggle("on", on), one.point(on)));
      words.addEventListener("click", () => one.point(true));
    }
    return line;
  });
  const shown = rows.reduce((sum, one) => sum + cents(one.vote), 0);
  const left = (cents(logit) - shown) / 100;
  lines.push(
    el("tr", { className: "rest" }, el("td"), el("td", { colSpan: 3, textContent: rest }), el("td", { className: "n", textContent: signed(left) })),
    el("tr", { className: "total" }, el("td"), el("td", { textContent: name }), el("td", { colSpan: 2, className: "n", textContent: "adds up to the net’s own figure" }), el("td", { className: "n", textContent: signed(cents(logit) / 100) })),
  );
  return el(
    "section",
    { className: "spoke", ariaLabel: title },
    el("div", { className: "spoke-head" }, el("h2", { textContent: title }), el("p", { className: "facts", textContent: aside })),
    el("table", {}, el("thead", {}, el("tr", {}, el("td"), el("td"), el("th", { className: "n factors", scope: "col", textContent: head }), el("td"), el("th", { className: "n", scope: "col", textContent: "vote" }))), el("tbody", {}, ...lines)),
  );
}

// The strongest votes for a class of an explanation. patch(saw): a small picture of what a value saw. point(saw or null): shows where.
export function byFeature(why, name, { patch, point }) {
  const lines = why.lines[name].slice(0, MOST);
  const others = why.values - lines.length;
  return voteTable({
    title: "What spoke",
    aside: lines.some((one) => one.saw) ? "with what each saw here" : "value × weight, the strongest first",
    head: "value × weight",
    rows: lines.map((one) => ({ words: one.words, value: one.value, weight: one.weight, vote: one.vote, mark: one.saw && patch?.(one.saw), point: one.saw ? (on) => point(on ? one.saw : null) : null })),
    rest: `${others.toLocaleString("en")} weaker ${others === 1 ? "vote" : "votes"} and the bias`,
    name,
    logit: why.votes[name].logit,
  });
}

// Names of the classes, the likeliest first.
export const byShare = (shares) => Object.keys(shares).sort((a, b) => shares[b] - shares[a]);

// Every class by its share; the pressed one is the one whose votes are listed. Without choose there are none to list.
export function everyClass(shares, of, choose) {
  const names = byShare(shares).slice(0, 12);
  const rows = names.map((name) => {
    const bar = el("i");
    bar.style.width = `${100 * shares[name]}%`;
    const one = el(choose ? "button" : "div", choose ? { type: "button", className: "share", onclick: () => choose(name) } : { className: "share" }, el("span", { textContent: name }), el("span", { className: "track" }, bar), el("span", { className: "n", textContent: share(shares[name]) }));
    if (choose) one.setAttribute("aria-pressed", name === of);
    return one;
  });
  const left = Object.keys(shares).length - names.length;
  return el("section", { className: "shares", ariaLabel: "Every class" }, el("div", { className: "spoke-head" }, el("h2", { textContent: "Every class" }), el("p", { className: "facts", textContent: `share of 1${left ? `, ${left} weaker not shown` : ""}${choose ? "; press one for its votes" : ""}` })), ...rows);
}

// Votes for the answer by the place in the last maps that cast them: {shape, values, cells: [{spans, vote}] strongest first}.
export function placesOf(why) {
  if (!why.voted) return null;
  const values = unpack(why.voted.values);
  const sizes = why.shape.slice(1);
  const cells = [...values].map((vote, i) => {
    let rest = i;
    const at = why.voted.shape.map((_, axis) => {
      const beyond = why.voted.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
      const k = Math.floor(rest / beyond);
      rest %= beyond;
      return k;
    });
    return { vote, at, spans: at.map((k, axis) => [Math.round((k * sizes[axis]) / why.voted.shape[axis]), Math.round(((k + 1) * sizes[axis]) / why.voted.shape[axis])]) };
  });
  return { shape: why.voted.shape, values, cells: cells.sort((a, b) => b.vote - a.vote) };
}

