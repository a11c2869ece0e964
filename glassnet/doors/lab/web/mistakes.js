// The error of one held-out example, as the slides' table has it, and the examples that are still wrong.

import { get, latest } from "./api.js";
import { el, two } from "./colours.js";

// name(): of the training.
export function mistakes({ name }) {
  const picture = el("div", { className: "shown" });
  const table = el("div", {});
  const error = el("section", { className: "error-table", ariaLabel: "Error of one example" }, el("h2", { textContent: "Error of one example" }), picture, table);
  const list = el("section", { className: "still", ariaLabel: "Still wrong" });
  let chosen = null; // the row of the example that a person chose
  let drawn = "";
  const ask = latest(async (story, moment, one) => {
    const found = await get(`/api/trainings/${encodeURIComponent(name())}/error?moment=${encodeURIComponent(moment.file)}&place=${one.place}`);
    draw(story, one, found);
  }, () => table.replaceChildren(el("p", { className: "facts", textContent: "Not kept for this moment." })));

  const seen = (one, words) => (one.words !== undefined ? el("blockquote", { textContent: one.words }) : el("img", { src: one.picture, alt: words, className: one.small ? "input small" : "input" }));

  function draw(story, one, found) {
    const names = story.prepared.classes;
    picture.replaceChildren(seen(one, one.name));
    const line = (cells, tag = "td") => el("tr", {}, ...cells.map((words, i) => el(i ? tag : "th", { scope: i ? "" : "row", className: i ? "n" : "", textContent: words })));
    const others = found.others ? [line([`${found.others} others`, "0", "", two(found.others_error)])] : [];
    const head = el("tr", {}, ...["", "right", "actual", "error"].map((words) => (words ? el("th", { scope: "col", className: "n", textContent: words }) : el("td"))));
    table.replaceChildren(
      el("table", {}, head, ...found.rows.map((row) => line([names[row.class], String(row.right), two(row.actual), two(row.error)])), ...others, line(["total", "", "", two(found.total)])),
      el("p", { className: "facts", textContent: `The loss it really descends: cross-entropy ${found.loss.toFixed(2)}${found.smoothing ? `, with ${Math.round(100 * found.smoothing)} % of the target spread over all classes` : ""}.` }),
    );
  }

  // story, moment: as the page shows them.
  function show(story, moment) {
    const names = story.prepared.classes;
    const wrong = moment.rows.map((one) => ({ ...one, example: story.examples.get(one.row) })).filter((one) => one.example);
    const one = story.examples.get(chosen) || wrong[0]?.example || [...story.examples.values()][0];
    const now = [name(), moment.file, moment.epoch, one?.row, wrong.length].join();
    if (now === drawn) return;
    drawn = now;
    if (one) ask(story, moment, one);
    const choose = (row) => {
      chosen = row;
      show(story, moment);
    };
    const button = ({ row, said, example }) => {
      const words = `${names[example.right]}, said ${names[said]}`;
      const node = el("button", { type: "button", onclick: () => choose(row), ariaLabel: `${words}: ${example.name}` }, seen(example, ""), el("span", { textContent: words }));
      node.setAttribute("aria-pressed", String(row === one?.row));
      return el("li", {}, node);
    };
    const focused = list.contains(document.activeElement) ? [...list.querySelectorAll("button")].indexOf(document.activeElement) : -1;
    list.replaceChildren(el("h2", {}, "Still wrong ", el("small", { textContent: `${moment.wrong.toLocaleString("en")} of ${moment.held.toLocaleString("en")} held out` })), wrong.length ? el("ul", {}, ...wrong.map(button)) : el("p", { className: "facts", textContent: "Nothing." }));
    if (focused >= 0) list.querySelectorAll("button")[focused]?.focus({ preventScroll: true });
  }

  return { error, list, show };
}
