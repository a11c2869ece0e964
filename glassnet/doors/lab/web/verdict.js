// The drawings of a check: accuracies as dots with intervals, every pair of runs as a line, what shuffling costs.

import { el, minus } from "./colours.js";
import { svg, ticks } from "./plots.js";

export const points = (share) => minus((Math.round(share * 1000) / 10 + 0).toFixed(1));
export const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

// Runs so far: as given of each split; of each order its mean over the splits that tried it; and both means over the
// pairs of runs, so that a split that isn't through yet counts for as much as it has tried.
export function byOrder(runs) {
  const given = runs.map((one) => one[0]);
  const tried = Math.max(...runs.map((one) => one.length)) - 1;
  const shuffled = Array.from({ length: tried }, (_, i) => mean(runs.filter((one) => one.length > i + 1).map((one) => one[i + 1])));
  const pairs = runs.flatMap(([first, ...others]) => others.map((v) => [first, v]));
  return { given, shuffled, before: mean(pairs.length ? pairs.map(([v]) => v) : given), after: pairs.length ? mean(pairs.map(([, v]) => v)) : null };
}

// From lowest to highest accuracy with some room; the commonest class may lie far below and is then only pointed to.
function scale(rows) {
  const shown = rows.filter((row) => !row.base);
  const every = (shown.length ? shown : rows).flatMap((row) => [row.value, row.low, row.high, ...(row.points || [])]).filter((v) => v !== null && v !== undefined);
  const [low, high] = [Math.min(...every), Math.max(...every)];
  const room = Math.max(0.02, (high - low) * 0.08);
  const base = rows.find((row) => row.base)?.value;
  const reach = base !== undefined && low - base < 1.5 * (high - low) ? base - room : low - room;
  return [Math.max(0, reach), Math.min(1, high + room)];
}

// rows: {name, value, low, high, points, hollow, strong, base, group}. Rows of a group stand together under its words.
// bracket: two names and the words between them. pick: told of the row that is pointed at.
export function dots(rows, { width, bracket = null, pick = () => {} }) {
  const narrow = width < 560;
  const label = narrow ? 0 : Math.min(270, width * 0.36);
  const [left, right] = [label + (24), width - (bracket ? 104 : 56)];
  const [low, high] = scale(rows);
  const x = (v) => left + ((v - low) / (high - low || 1)) * (right - left);
  const step = narrow ? 50 : 40;
  const picture = svg("svg", { width, class: "verdict-dots", role: "group", "aria-label": "Accuracy on held-out examples" });
  const lines = svg("g");
  picture.append(lines);
  const at = {};
  const ends = {}; // of the words behind each row
  let y = 0;
  let group = null;
  for (const row of rows) {
    if (row.group !== group) {
      y += group === null ? 4 : 20;
      picture.append(svg("text", { x: 0, y: y + 12, class: "group" }, row.group));
      y += 24;
      group = row.group;
    }
    const middle = y + (narrow ? 34 : 20);
    at[row.name] = middle;
    const [node, end] = oneRow(row, { x, middle, label, low, left, right, narrow, pick });
    picture.append(node);
    ends[row.name] = end;
    y += step;
  }
  const foot = y + 4;
  for (const v of ticks(low * 100, high * 100, narrow ? 4 : 7)) {
    lines.append(svg("line", { x1: x(v / 100), x2: x(v / 100), y1: 24, y2: foot, class: "grid" }));
    picture.append(svg("text", { x: x(v / 100), y: foot + 18, "text-anchor": "middle" }, minus(`${Math.round(v * 10) / 10}`)));
  }
  const sizeOf = foot + 26;
  picture.setAttribute("height", sizeOf);
  picture.setAttribute("viewBox", `0 0 ${width} ${sizeOf}`);
  if (bracket && at[bracket.from] && at[bracket.to]) picture.append(bracketed(bracket, at, ends, right + 72));
  return picture;
}

function oneRow(row, { x, middle, label, low, left, right, narrow, pick }) {
  const words = `${row.name}: ${row.value === null ? "not measured yet" : `${points(row.value)} % right${row.low === null || row.low === undefined ? "" : `, ${points(row.low)} to ${points(row.high)}`}`}`;
  const node = svg("g", { class: `row${row.strong ? " own" : ""}${row.base ? " base" : ""}`, tabindex: "0", role: "img", "aria-label": words });
  for (const kind of ["focus", "pointerenter"]) node.addEventListener(kind, () => pick(row));
  node.append(svg("rect", { x: 0, y: middle - (narrow ? 32 : 19), width: right + 56, height: narrow ? 48 : 38, class: "reach" }));
  node.append(svg("text", narrow ? { x: 0, y: middle - 16, class: "name" } : { x: label, y: middle + 4, "text-anchor": "end", class: "name" }, row.name));
  if (row.value === null) return [node, left];
  if (row.base && row.value < low) {
    node.append(svg("path", { d: `M${left + 10} ${middle - 4}L${left + 2} ${middle}L${left + 10} ${middle + 4}M${left + 2} ${middle}h22`, class: "away" }));
    node.append(svg("text", { x: left + 30, y: middle + 4, class: "value" }, points(row.value)));
    return [node, left + 64];
  }
  const ends = [row.value];
  (row.points || []).forEach((v, i) => node.append(svg("circle", { cx: x(v), cy: middle + (row.points.length > 1 ? ((i * 7) % 11) - 5 : 0), r: 2.5, class: row.hollow ? "run hollow" : "run" })) || ends.push(v));
  if (row.low !== null && row.low !== undefined) {
    const [a, b] = [x(Math.max(low, row.low)), x(Math.min(1, row.high))];
    node.append(svg("path", { d: `M${a} ${middle - 5}v10M${b} ${middle - 5}v10M${a} ${middle}H${b}`, class: "range" }));
    ends.push(Math.min(1, row.high));
  }
  node.append(svg("circle", { cx: x(row.value), cy: middle, r: row.strong ? 6 : 4.5, class: row.hollow ? "mean hollow" : "mean" }));
  const end = Math.max(...ends.map(x)) + 12;
  node.append(svg("text", { x: end, y: middle + 4, class: "value" }, points(row.value)));
  return [node, end + 40];
}

function bracketed({ from, to, words }, at, ends, x) {
  const [a, b] = [at[from], at[to]];
  const middle = (a + b) / 2;
  return svg("g", { class: "bracket" },
    svg("path", { d: `M${Math.min(ends[from], x - 8)} ${a}H${x}V${middle - 12}M${x} ${middle + 12}V${b}H${Math.min(ends[to], x - 8)}` }),
    svg("text", { x, y: middle + 5, "text-anchor": "middle" }, words));
}

// Each line one split and one order: the same net, the data as given, then shuffled.
export function slopes(runs, { width }) {
  const height = 300;
  const every = runs.flat();
  const [low, high] = [Math.min(...every), Math.max(...every)];
  const y = (v) => 16 + (1 - (v - low) / (high - low || 1)) * (height - 56);
  const [left, right] = [width * 0.24, width * 0.76];
  const { before, after } = byOrder(runs);
  const count = runs.reduce((sum, one) => sum + one.length - 1, 0);
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "slopes", role: "img", "aria-label": `${count} pairs of runs: ${points(before)} % as given${count ? `, ${points(after)} % shuffled` : ""}` });
  for (const at of [left, right]) picture.append(svg("line", { x1: at, x2: at, y1: 8, y2: height - 32, class: "axis" }));
  for (const [first, ...others] of runs) {
    for (const v of others) picture.append(svg("line", { x1: left, y1: y(first), x2: right, y2: y(v), class: "pair" }), svg("circle", { cx: right, cy: y(v), r: 2.5, class: "run hollow" }));
    picture.append(svg("circle", { cx: left, cy: y(first), r: 2.5, class: "run" }));
  }
  const of = (at, v, side) => picture.append(svg("circle", { cx: at, cy: y(v), r: 6, class: "dot look" }), svg("text", { x: at + 14 * side, y: y(v) + 5, "text-anchor": side < 0 ? "end" : "start", class: "value" }, points(v)));
  if (count) picture.append(svg("line", { x1: left, y1: y(before), x2: right, y2: y(after), class: "through" }));
  of(left, before, -1);
  if (count) of(right, after, 1);
  picture.append(svg("text", { x: left, y: height - 10, "text-anchor": "middle" }, "as given"), svg("text", { x: right, y: height - 10, "text-anchor": "middle" }, "shuffled"));
  return picture;
}

// What shuffling costs, with its interval, beside a cost of nothing.
export function cost({ drop, low, high }, { width }) {
  const [from, to] = [Math.min(0, low) * 100, Math.max(0, high) * 100];
  const room = (to - from || 1) * 0.12;
  const x = (v) => 12 + ((v * 100 - from + room) / (to - from + 2 * room || 1)) * (width - 24);
  const picture = svg("svg", { width, height: 92, viewBox: `0 0 ${width} 92`, role: "img", "aria-label": `shuffling costs ${points(drop)} points, ${points(low)} to ${points(high)}` });
  picture.append(svg("line", { x1: 4, x2: width - 4, y1: 62, y2: 62, class: "axis" }));
  for (const v of ticks(from - room, to + room, 5)) picture.append(svg("line", { x1: x(v / 100), x2: x(v / 100), y1: 62, y2: 67, class: "axis" }), svg("text", { x: x(v / 100), y: 84, "text-anchor": "middle" }, minus(`${Math.round(v * 10) / 10}`)));
  picture.append(svg("line", { x1: x(0), x2: x(0), y1: 4, y2: 62, class: "nothing" }));
  picture.append(svg("line", { x1: x(low), x2: x(high), y1: 44, y2: 44, class: "range look" }), svg("circle", { cx: x(drop), cy: 44, r: 6, class: "dot look" }));
  picture.append(svg("text", { x: x(drop), y: 30, "text-anchor": "middle", class: "value" }, points(drop)));
  return picture;
}

// Every figure of a result.
export function table(found, spread, how) {
  const cell = (words, tag = "td", className = "n") => el(tag, { className, textContent: words });
  const rows = Object.entries(spread).sort((a, b) => b[1][0] - a[1][0]).map(([name, [value, low, high]]) => el("tr", {}, cell(name, "td", ""), cell(points(value)), cell(low === null ? "\u2013" : `${points(low)} to ${points(high)}`), cell(how[name] || "", "td", "")));
  rows.push(el("tr", {}, cell("ConvNet of the order\u2019s test, as given", "td", ""), cell(points(found.as_given)), cell("\u2013"), cell("the mean over the splits", "td", "")));
  found.shuffled.forEach((v, i) => rows.push(el("tr", {}, cell(`the same, random order ${i + 1}`, "td", ""), cell(points(v)), cell("\u2013"), cell("", "td", ""))));
  const head = el("tr", {}, cell("", "th", ""), cell("% right", "th"), cell("95 %", "th"), cell("how", "th", ""));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}
