// Learn: a net trained while one watches. Curves, features that change, the error of one example, what it still gets wrong.

import { get, post } from "./api.js";
import { el } from "./colours.js";
import { curves } from "./curves.js";
import { filters } from "./filters.js";
import { knobs } from "./knobs.js";
import { mistakes } from "./mistakes.js";
import { nudge } from "./nudge.js";
import { scrubber } from "./scrub.js";
import { footer, knowNets, remember, sentence, state, strong, to, told } from "./shell.js";
import { Story } from "./story.js";

export default async function open(main) {
  const button = (words, work, props = {}) => el("button", { type: "button", textContent: words, onclick: work, ...props });
  const pause = button("Pause", () => lead(story.state === "paused" ? "go" : "pause"), { className: "main" });
  const step = button("Step", () => lead("step"));
  const stop = button("Stop and keep", () => lead("stop"));
  const again = button("Go on", () => lead("again"), { className: "main" });
  const discard = button("Throw away", () => lead("discard"));
  const links = el("span", { className: "next" });
  const train = el("button", { type: "submit", className: "main", textContent: "Train" });
  train.setAttribute("form", "learn-form");
  const { node: answer, say } = sentence([train, pause, step, stop, again, discard, links]);
  const panel = knobs({ begin, shown: (data) => !story && preview(data), ready: (can) => (train.disabled = !can) });
  const drawn = el("div", { className: "drawn" });
  const grown = el("div", { className: "grown" });
  const seen = el("div", { className: "seen" });
  const wrong = mistakes({ name: () => story?.id });
  const hand = nudge({ run: () => (isLive() ? story.id : null), shape: () => story.prepared.features.shape, count: () => story.prepared.features.shown });
  const scrub = scrubber({ to: (i) => jump(i), live: () => jump(null) });
  const runs = el("select", { id: "learn-run", ariaLabel: "Training" });
  runs.addEventListener("change", () => follow(runs.value, false));
  main.append(
    answer,
    el("div", { className: "learn-sheet" },
      el("div", { className: "knob-side" }, el("p", { className: "runs" }, el("label", { htmlFor: runs.id, textContent: "training" }), runs), panel.node),
      el("div", { className: "curve-side" }, drawn, grown, seen),
      el("div", { className: "error-side" }, wrong.error, hand.node, wrong.list),
    ),
    scrub.node,
    footer("A training goes on when this page closes. The link opens this moment again.", [[["Space"], "pause, go on"], [[",", "."], "a moment back, on"], [["Home", "End"], "first, newest"]]),
  );

  let story = null; // the training on the page
  let source = null; // of its events
  let at = null; // the moment that is shown, as an index; null: the newest
  let waiting = null; // a repaint that is due

  const isLive = () => Boolean(story) && ["running", "paused"].includes(story.state) && Boolean(story.prepared);

  async function begin(body) {
    const made = await post("/api/trainings", body);
    await follow(made.id, false);
  }

  // Shows a training from its first event on, and whatever still happens.
  async function follow(id, replace = true) {
    source?.close();
    at = null;
    story = id ? new Story(id) : null;
    const moment = state().get("at");
    remember({ run: id || null, at: replace ? moment : null }, { replace });
    await list();
    if (!story) {
      paint();
      return preview(panel.data());
    }
    const mine = (source = new EventSource(`/api/trainings/${encodeURIComponent(id)}/events`));
    mine.onmessage = (event) => {
      if (mine !== source) return;
      const facts = JSON.parse(event.data);
      const before = story.state;
      story.hear(facts);
      if (replace && moment !== null && at === null && story.isOver) at = story.nearest(+moment);
      if (before !== story.state) changed();
      later();
    };
    mine.onerror = () => mine !== source || mine.readyState !== EventSource.CLOSED || gone();
  }

  async function gone() {
    const error = await get(`/api/trainings/${encodeURIComponent(story.id)}`).then(() => null, (found) => found);
    if (error) say(["This training is not there."], [told(error)]);
  }

  // Another training may have begun or ended.
  async function changed() {
    await list();
    if (story?.state === "finished") await knowNets();
  }

  async function list() {
    const { trainings } = await get("/api/trainings");
    const known = trainings.map((one) => [one.id, `${one.id}, ${one.state}`]);
    runs.replaceChildren(el("option", { value: "", textContent: "a new one" }), ...known.map(([value, textContent]) => el("option", { value, textContent, selected: value === story?.id })));
    runs.parentNode.hidden = !trainings.length;
    return trainings;
  }

  async function lead(order) {
    try {
      await post(`/api/trainings/${encodeURIComponent(story.id)}/${order}`);
      if (order === "discard") await follow("", false);
    } catch (error) {
      say(["That can\u2019t be done now."], [told(error)]);
    }
  }

  function jump(i) {
    at = i === null || i >= story.moments.length - (story.isOver ? 0 : 1) ? null : Math.max(0, i);
    remember({ at: at === null ? null : +story.moments[at].epoch.toFixed(3) });
    paint();
  }

  function later() {
    waiting ??= setTimeout(() => ((waiting = null), paint()), 60);
  }

  function paint() {
    buttons();
    tell();
    const moments = story?.shown() || [];
    for (const part of [wrong.error, wrong.list, scrub.node]) part.hidden = !moments.length;
    hand.show(isLive() && Boolean(story.prepared.features));
    if (!story) return;
    if (!moments.length) {
      for (const part of [drawn, grown, seen]) part.replaceChildren();
      return;
    }
    const i = at ?? moments.length - 1;
    const now = moments[i];
    const width = Math.max(320, Math.min(760, drawn.clientWidth || 560));
    const charts = curves({ points: story.points, moments: story.moments, epochs: story.prepared.epochs, now: at === null ? story.epoch() : now.epoch, width });
    drawn.replaceChildren(...charts.flatMap(({ name, unit, picture }) => [el("h2", {}, name, " ", el("small", { textContent: unit })), picture]));
    const features = story.prepared.features;
    const withFeatures = moments.slice(0, i + 1).filter((one) => one.features);
    if (features && withFeatures.length) {
      const focused = grown.contains(document.activeElement) ? [...grown.querySelectorAll("button")].indexOf(document.activeElement) : -1;
      const name = at === null && !story.isOver ? "now" : `epoch ${+now.epoch.toFixed(2)}`;
      const what = `The ${features.count > 8 ? `first 8 of ${features.count}` : features.count} features as they learn`;
      grown.replaceChildren(el("h2", {}, `${what} `, el("small", { textContent: `${features.size.join(" × ")}, a column each${features.channels > 1 ? `; the mean of ${features.channels} channels` : ""}` })), el("div", { className: "scroll" }, filters({ told: features, moments: withFeatures, now: withFeatures.length - 1, name, pick: (k, place) => isLive() && (hand.pick(k, place), hand.node.scrollIntoView({ block: "nearest" })) })));
      if (focused >= 0) grown.querySelectorAll("button")[focused]?.focus({ preventScroll: true });
    } else grown.replaceChildren();
    seen.replaceChildren(el("p", { className: "facts", textContent: `${story.prepared.data}. ${story.prepared.net}: ${story.prepared.parameters.toLocaleString("en")} weights. ${story.prepared.notes.map((note) => `${note[0].toUpperCase()}${note.slice(1)}.`).join(" ")}` }));
    wrong.show(story, now);
    scrub.show({ moments, i, live: at === null, epochs: story.prepared.epochs, epoch: story.epoch(), words: at === null ? liveWords() : "", told: features });
  }

  const liveWords = () => (story.isOver ? "the end" : story.now?.left ? `${duration(story.now.left)} to go` : "live");

  function buttons() {
    const live = isLive();
    train.hidden = Boolean(story);
    pause.hidden = !live;
    pause.textContent = story?.state === "paused" ? "Go on" : "Pause";
    step.hidden = story?.state !== "paused";
    stop.hidden = !live;
    again.hidden = !story?.facts?.can_go_on || story.state === "failed";
    discard.hidden = !story?.isOver || story.state === "finished";
    const name = story?.id;
    const link = (view, words, isMain) => el("a", { className: `button${isMain ? " main" : ""}`, href: to(view, { net: name }), textContent: words });
    links.replaceChildren(...(story?.state === "finished" && story.facts?.is_model ? [link("draw", "Draw with it", true), link("look", "Look inside"), link("ask", "Ask it")] : []));
    scrub.node.classList.toggle("live", live);
  }

  function tell() {
    if (!story) return panel.data() ? say(["Train a net on ", strong(panel.data().name), "."], [`${panel.data().words}. Choose its knobs, or leave them to glassnet, and press Train.`]) : say(["Train a net on your own data."], ["Name a folder, a table or built-in data; glassnet chooses the rest unless you do."]);
    const { state: now, facts, prepared, passing } = story;
    if (now === "failed") return say(["The training failed."], [facts?.why || ""]);
    if (now === "stopped" && !story.moments.length) return say(["Stopped before it began."], [facts?.why || ""]);
    if (now === "waiting") return say(["It waits in line."], [`${facts?.at_once ?? 2} trainings run at a time; this one is number ${facts?.place || 1} of those that wait.`]);
    if (now === "reading") return say(["Reading the data."], [passing ? `${passing.done.toLocaleString("en")} of ${passing.total.toLocaleString("en")}.` : ""]);
    if (!prepared || !story.moments.length) return say(["Getting ready."], ["A first look at the data chooses the net and how it learns."]);
    const moment = story.shown()[at ?? story.shown().length - 1];
    const share = `${+(100 * moment.held_accuracy).toFixed(1)} of 100 right`;
    const names = prepared.classes;
    const most = moment.most ? ` Most often it takes ${names[moment.most[0]]} for ${names[moment.most[1]]}: ${moment.most[2]} of ${moment.wrong} mistakes.` : moment.wrong ? "" : " No mistake is left on held-out examples.";
    if (at !== null) return say([share, ` at epoch ${+moment.epoch.toFixed(2)}.`], [`Gone back; ${story.isOver ? "the training is over" : "the training goes on"}.${most}`]);
    if (now === "finished") {
      const end = story.finished;
      return say([strong(`${+(100 * end.accuracy).toFixed(1)} of 100`), " right on examples it never saw."], [`${end.hits} of ${end.examples}; in truth between ${(100 * end.low).toFixed(1)} and ${(100 * end.high).toFixed(1)} %. Epoch ${end.best_epoch} of ${end.epochs} was kept; ${duration(end.seconds)} of training.${Number.isFinite(end.false_alarms) ? ` What is like none of them it refuses; so it did ${+(100 * end.false_alarms).toFixed(1)} % of these.` : ""}`]);
    }
    if (now === "judging") return say(["Tested once, on examples it never saw."], ["A few seconds."]);
    if (now === "stopped") return say([share, ", and stopped."], [`At epoch ${+story.epoch().toFixed(2)} of ${prepared.epochs}. ${facts?.is_saved ? "It can go on from there." : ""}${most}`]);
    const where = `Epoch ${Math.min(prepared.epochs, Math.floor(story.epoch()) + 1)} of ${prepared.epochs}.`;
    if (now === "paused") return say([share, ", ", strong("paused"), "."], [`At epoch ${+story.epoch().toFixed(2)} of ${prepared.epochs}.${most}`]);
    say([share, ", and still ", strong("learning"), "."], [`${where}${most}`]);
  }

  // Before anything is trained: what there is to learn from.
  function preview(data) {
    tell();
    if (story) return;
    for (const part of [grown, seen]) part.replaceChildren();
    if (!data) return drawn.replaceChildren();
    const picture = (one) => (one.words !== undefined ? el("blockquote", { textContent: one.words }) : el("img", { src: one.picture, alt: `${data.one} of ${data.classes[one.class]?.name}`, className: one.small ? "input small" : "input" }));
    const counts = data.classes.map((one) => `${one.name}: ${one.count.toLocaleString("en")}`).join(", ");
    const sides = Object.entries(data.sides).map(([name, n]) => `${n.toLocaleString("en")} ${{ train: "to train on", val: "held out to choose by", test: "for one last test" }[name]}`).join(", ");
    const notes = [...data.notes.map((note) => `${note}.`), data.damaged.length ? `Can\u2019t be read: ${data.damaged.map((one) => `${one.file} ${one.reason}`).join("; ")}.` : ""].filter(Boolean);
    drawn.replaceChildren(el("h2", { textContent: "What there is to learn from" }), el("ul", { className: "examples" }, ...data.pictures.map((one) => el("li", {}, picture(one), el("span", { className: "facts", textContent: data.classes[one.class]?.name ?? "" })))), el("p", { className: "facts", textContent: `${counts}${data.more_classes ? ` and ${data.more_classes} classes more` : ""}. ${sides}. ${notes.join(" ")}` }));
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT|BUTTON|A)$/.test(event.target.tagName)) return;
    const shown = story?.shown().length ?? 0;
    if (event.key === " " && isLive()) lead(story.state === "paused" ? "go" : "pause");
    else if (event.key === "," && shown) jump((at ?? shown - 1) - 1);
    else if (event.key === "." && shown) jump((at ?? shown - 1) + 1);
    else if (event.key === "Home" && shown) jump(0);
    else if (event.key === "End" && shown) jump(null);
    else return;
    event.preventDefault();
  }
  document.addEventListener("keydown", keys);
  const resized = new ResizeObserver(later);
  resized.observe(main);

  const asked = state().get("run");
  paint();
  panel.look();
  const trainings = await list();
  const busy = trainings.find((one) => !["finished", "failed", "stopped"].includes(one.state));
  if (asked) await follow(asked);
  else if (busy && !state().get("data")) await follow(busy.id);
  return { close: () => (source?.close(), (source = null), clearTimeout(waiting), resized.disconnect(), document.removeEventListener("keydown", keys)), repaint: paint };
}

function duration(seconds) {
  if (seconds < 1) return "under a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
