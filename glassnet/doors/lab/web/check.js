// Check: is a ConvNet right for this data? Shuffled and unshuffled, beside simpler models, followed while it runs.

import { get, post } from "./api.js";
import { el } from "./colours.js";
import { footer, remember, sentence, state, strong, to, told } from "./shell.js";
import { byOrder, cost, dots, points, slopes, table } from "./verdict.js";

const OVER = ["known", "found", "stopped", "failed"];
const BUILT_IN = ["xo", "digits"];
const [GIVEN, SHUFFLED] = ["ConvNet, data as given", "ConvNet, places shuffled"];

export default async function open(main) {
  const { node, say } = sentence();
  const field = el("input", { type: "text", id: "check-data", value: state().get("data") || "", autocomplete: "off", spellcheck: false, placeholder: "a folder, a table or an .npz on this machine" });
  const error = el("p", { className: "refusal", id: "check-error", role: "alert", hidden: true });
  field.setAttribute("aria-describedby", error.id);
  const form = el("form", { className: "check-form" }, el("label", { htmlFor: field.id, textContent: "Data" }), field, el("button", { textContent: "Look at it" }));
  const offers = el("span", { className: "offers facts" }, "Built in: ", ...BUILT_IN.map((name) => el("a", { href: to("check", { data: name }), textContent: name })));
  const act = el("button", { type: "button", className: "main", textContent: "Check" });
  const next = el("span", { className: "next" });
  const bar = el("progress", { hidden: true });
  bar.setAttribute("aria-label", "how far the check is");
  const proof = el("div", { className: "proof" });
  const rest = el("div");
  form.append(offers);
  main.append(node, form, error, el("div", { className: "acts" }, act, next), bar, proof, rest,
    footer("Rule of thumb: if the data is just as useful after swapping its columns, a ConvNet can\u2019t use its order.", [[["Tab"], "through the rows of figures"], [["Enter"], "look at the data"]]));

  let source = null; // of events
  let known = {};
  let key = null;
  let drawn = "";
  let turn = 0; // of questions: an answer that comes after the next question is no longer wanted

  // The address alone starts nothing but a look: a link, the way back or a server begun anew must not cost minutes.
  const asked = () => Object.fromEntries([["data", state().get("data")], ["kind", state().get("kind")], ["size", Number(state().get("size")) || null], ["seed", Number(state().get("seed")) || 0]].filter(([, v]) => v !== null));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = field.value.trim();
    if (!typed) return refuse("Type the path of a folder, a table or an .npz, or choose built-in data.");
    if (typed !== state().get("data")) remember({ data: typed, kind: null, size: null, seed: null }, { replace: false });
    follow({ anew: true });
  });
  act.addEventListener("click", async () => {
    if (key && isBusy()) return post(`/api/checks/${key}/stop`).catch((wrong) => refuse(told(wrong)));
    follow({ check: true });
  });

  const isBusy = () => Boolean(known.state) && !OVER.includes(known.state) && Boolean(known.checks || known.reading); // a short look is over before it can be stopped

  function refuse(words) {
    error.textContent = words;
    error.hidden = false;
    field.setAttribute("aria-invalid", "true");
    field.focus();
    say(["This data can\u2019t be checked."], []);
  }

  // Looks at the data of the address, or checks it, and shows all that happens until it is over.
  async function follow(how) {
    const asking = ++turn;
    source?.close();
    error.hidden = true;
    field.removeAttribute("aria-invalid");
    known = {};
    key = null;
    drawn = "";
    paint();
    try {
      const begun = await post("/api/checks", { ...asked(), ...how });
      if (asking !== turn) return;
      key = begun.id;
    } catch (wrong) {
      return asking === turn && refuse(told(wrong));
    }
    const mine = (source = new EventSource(`/api/checks/${key}/events`));
    mine.onmessage = (event) => {
      if (mine !== source) return;
      for (const [name, value] of Object.entries(JSON.parse(event.data))) value === null ? delete known[name] : (known[name] = value);
      if (OVER.includes(known.state)) mine.close();
      paint();
    };
    // A browser tries again by itself; a server begun anew no longer knows this check.
    mine.onerror = async () => {
      if (mine !== source || mine.readyState !== EventSource.CLOSED) return;
      await get(`/api/checks/${key}`).catch((wrong) => refuse(told(wrong)));
    };
  }

  function paint() {
    tell();
    const busy = isBusy();
    act.hidden = !known.data && !busy;
    act.textContent = busy ? "Stop" : known.found ? "Check again" : "Check";
    act.classList.toggle("main", !busy && !known.found);
    next.replaceChildren(...whatNext());
    bar.hidden = !busy;
    const far = known.step ? [known.step.done, known.step.total] : known.reading;
    if (far) [bar.max, bar.value] = [far[1], far[0]];
    else bar.removeAttribute("value");
    if (known.state === "failed" && known.error) {
      error.textContent = known.error;
      error.hidden = false;
      field.setAttribute("aria-invalid", "true");
    }
    prove();
    const now = [known.data?.words, known.pair?.length, known.found?.seconds, key].join();
    if (now !== drawn) rest.replaceChildren(...sections());
    drawn = now;
  }

  function whatNext() {
    if (!known.found) return [];
    const learn = (words, main_) => el("a", { className: `button${main_ ? " main" : ""}`, href: to("learn", { data: state().get("data"), kind: state().get("kind"), size: state().get("size"), net: null }), textContent: words });
    const { fits, gain } = known.found;
    return [learn(fits ? "Train on this" : "Train on it all the same", fits), el("span", { className: "facts", textContent: fits ? "" : `Or use ${gain.over}: ${points(known.found.scores[gain.over])} % right.` })];
  }

  function tell() {
    const { data, step, found } = known;
    if (found) {
      const [first, second, ...others] = found.verdict.split(/(?<=\.) /);
      const isWord = /^(Yes|No)\.$/.test(first);
      const line = isWord ? `${first} ${second}` : first;
      const more = [...(isWord ? [] : [second]), ...others].filter(Boolean);
      const tried = found.shuffled.length;
      const good = Math.round(found.p * (tried + 1)) - 1;
      const lead = more.join(" ");
      return say(emphasised(line), [`${lead.slice(0, 1).toUpperCase()}${lead.slice(1)} `, `${good || "None"} of ${tried} random orders ${good === 1 ? "is" : "are"} as easy to learn as the given: p = ${found.p.toFixed(2)}.`]);
    }
    if (isBusy() && known.checks) {
      const words = known.state === "waiting" ? "Other checks run; this one waits for its turn." : known.reading ? `Reading: ${known.reading[0].toLocaleString("en")} of ${known.reading[1].toLocaleString("en")}.` : step ? `${step.done} of ${step.total} ${step.what}, ${step.left} left${known.spread ? "" : " of this half; then the competitors"}.` : "Getting ready.";
      const drop = known.runs ? dropSoFar() : null;
      const line = drop === null ? ["What does shuffling cost?"] : ["So far, shuffling costs ", strong(`${points(drop)} points`), "."];
      return say(line, [`${words} It goes on when this page is closed.`]);
    }
    if (known.state === "failed") return say(["This data can\u2019t be checked."], []);
    if (known.state === "stopped") return say(["Stopped, so nothing is decided."], [data ? `${data.words}.` : ""]);
    if (data) return say(["Is a ConvNet right for ", strong(data.name), "?"], [`${data.words}. The check shuffles the places of every example the same way, and sees whether that costs anything.`]);
    if (state().get("data")) return say(["Looking at the data."], [known.reading ? `${known.reading[0].toLocaleString("en")} of ${known.reading[1].toLocaleString("en")} read.` : ""]);
    say(["Is a ConvNet right for your data?"], ["If it is just as useful after swapping its columns, it isn\u2019t. Name some data to find out."]);
  }

  // The figures so far, drawn for the width there is.
  function prove() {
    if (!known.runs && !known.found) return proof.replaceChildren();
    const focused = proof.contains(document.activeElement) ? [...proof.querySelectorAll("[tabindex]")].indexOf(document.activeElement) : -1;
    const width = main.clientWidth - parseFloat(getComputedStyle(main).paddingLeft) * 2;
    const wide = width > 900;
    const found = known.found;
    const said = el("p", { className: "facts said-row", textContent: wide ? "Point at a row to read how it was measured." : "" });
    const pick = (row) => (said.textContent = `${row.name}: ${row.how}`);
    const bracket = known.runs[0]?.length > 1 && { from: GIVEN, to: SHUFFLED, words: points(found ? found.effect.drop : dropSoFar()) };
    const left = el("div", {}, el("h2", {}, "Accuracy on held-out examples ", el("small", { textContent: "% right; bars are 95 % intervals" })), dots(rows(), { width: wide ? width * 0.66 : width, bracket, pick }), said);
    const right = el("div", {}, el("h2", {}, "Each line: one split and one order ", el("small", { textContent: "the same net, data as given, then shuffled" })), slopes(known.runs, { width: wide ? width * 0.28 : Math.min(width, 480) }));
    proof.replaceChildren(el("section", { className: "check-plots" }, left, right));
    if (focused >= 0) proof.querySelectorAll("[tabindex]")[focused]?.focus();
  }

  const dropSoFar = () => {
    const { before, after } = byOrder(known.runs);
    return after === null ? null : before - after;
  };

  function rows() {
    const { given, shuffled, before, after } = byOrder(known.runs);
    const splits = known.runs.length;
    const order = { group: "One small net, two ways to lay out the data", strong: true };
    const list = [
      { ...order, name: GIVEN, value: before, points: given, how: `trained on ${splits} ${splits === 1 ? "split" : "splits"}, a dot each. ${known.how?.ConvNet || ""}` },
      { ...order, name: SHUFFLED, value: after, points: shuffled, hollow: true, how: `the same net in ${shuffled.length} random ${shuffled.length === 1 ? "order" : "orders"}, a dot each.` },
    ];
    const spread = Object.entries(known.spread || {}).sort((a, b) => b[1][0] - a[1][0]);
    return [...list, ...spread.map(([name, [value, low, high]]) => ({ group: "Trained longer, beside simpler models", name, value, low, high, strong: name === "ConvNet", base: name === "the commonest class", how: known.how?.[name] || "" }))];
  }

  function sections() {
    const { data, found, pair } = known;
    const list = [];
    const width = Math.min(320, main.clientWidth - 32);
    if (pair) {
      const shuffled = el("div", {}, el("h2", { textContent: "What was shuffled" }), el("div", { className: "pair" }, example(pair[0], "an example as given"), el("span", { textContent: "→" }), example(pair[1], "the same, shuffled")), el("p", { className: "facts", textContent: `As the check sees it: ${known.pair_size}. The same places in one fixed new order, for every example. If that costs nothing, place means nothing.` }));
      const costs = found && el("div", {}, el("h2", { textContent: "The cost of shuffling, in points" }), cost(found.effect, { width }), el("p", { className: "facts", textContent: "The dotted line: order carries nothing." }));
      list.push(el("section", { className: "check-more" }, shuffled, ...(costs ? [costs, measured()] : [])));
    }
    if (data) list.push(el("section", {}, el("h2", {}, "The data ", el("small", { textContent: data.words })), el("ul", { className: "examples" }, ...data.shown.map((one) => el("li", {}, example(one, `${data.one} of ${one.class}`), el("span", { className: "facts", textContent: one.class })))), el("p", { className: "facts", textContent: counts(data) })));
    return list;
  }

  function measured() {
    const { found, runs, took, named } = known;
    const words = `One small ConvNet, trained ${runs.length * (found.shuffled.length + 1)} times: on ${runs.length} splits, as given and in ${found.shuffled.length} random orders. p comes from a net that averages over all places before it votes, so that it can\u2019t learn an order anew. The others ran on 10 splits of their own, with usual settings. Looked at: ${found.notes.join("; ")}. ${took}.`;
    const command = named && `glassnet check ${/^[\w./-]+$/.test(named) ? named : `'${named.replaceAll("'", "'\\''")}'`}${asked().kind ? ` --kind ${asked().kind}` : ""}${asked().size ? ` --size ${asked().size}` : ""}${asked().seed ? ` --seed ${asked().seed}` : ""}`;
    const every = el("details", {}, el("summary", { textContent: "Every figure as a table" }), el("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Every figure" }, table(found, known.spread, known.how || {})));
    return el("div", {}, el("h2", { textContent: "How it was measured" }), el("p", { className: "facts", textContent: words }), ...(command ? [el("p", { className: "facts", textContent: "The same on the command line:" }), el("pre", { textContent: command })] : []), every);
  }

  let wide = main.clientWidth;
  const resized = new ResizeObserver(() => main.clientWidth !== wide && ((wide = main.clientWidth), prove()));
  resized.observe(main);
  if (state().get("data")) await follow({});
  else {
    paint();
    const before = (await get("/api/checks")).checks.filter((one) => one.words);
    if (before.length) rest.replaceChildren(el("section", {}, el("h2", { textContent: "Since the lab began" }), el("ul", { className: "before" }, ...before.map((one) => el("li", {}, el("a", { href: to("check", { data: one.data, seed: one.seed || null }), textContent: one.seed ? `${one.data}, seed ${one.seed}` : one.data }), el("span", { className: "facts", textContent: ` ${one.words}. ${one.verdict || ({ known: "Not checked.", stopped: "Stopped." })[one.state] || "Being checked."}` }))))));
    field.focus();
  }
  return { close: () => (turn++, source?.close(), (source = null), resized.disconnect()), repaint: () => {} };
}

// One example: a picture, or its words.
function example(one, label) {
  if (one.words !== undefined) return el("blockquote", { textContent: one.words });
  return el("img", { src: one.picture, alt: label, className: one.small ? "input small" : "input" });
}

// The cost in a verdict, in bold; its interval quieter.
function emphasised(line) {
  const found = line.match(/^(.*costs )(\S+ points)( \([^)]*\))(.*)$/);
  if (!found) return [line.replaceAll("-", "\u2212")];
  const [, before, cost_, interval, after] = found;
  return [before, strong(cost_.replace("-", "\u2212")), el("span", { className: "aside", textContent: interval.replaceAll("-", "\u2212") }), after];
}

function counts(data) {
  const shown = data.classes.map((one) => `${one.name}: ${one.count.toLocaleString("en")}`).join(", ");
  const more = data.class_count - data.classes.length;
  const words = [`${shown}${more > 0 ? ` and ${more.toLocaleString("en")} classes more` : ""}.`, data.skipped ? `${data.skipped.toLocaleString("en")} could not be read and are left out.` : "", ...data.notes.map((note) => `${note[0].toUpperCase()}${note.slice(1)}.`)];
  return words.filter(Boolean).join(" ");
}
