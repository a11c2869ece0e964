// The frame around the five views: which one is open, the net they share, the address that opens it all again.

import { get, Refusal } from "./api.js";
import { el, readColours } from "./colours.js";

const VIEWS = { draw: "Draw", look: "Look", learn: "Learn", ask: "Ask", check: "Check", api: "API" };
const WHOLE = ["draw", "look"]; // views of nets that name a whole picture
const MODULES = { api: "reference" }; // of views that aren’t called as they are
const main = document.getElementById("main");
const netChoice = document.getElementById("net");
let open = null; // the view on the page: its close() ends whatever it began
let nets = { first: "slides", nets: [] };
const known = new Map(); // what the server said of each net

export const state = () => new URLSearchParams(location.search);

// Writes a choice into the address: what is "" or null is left out. Choosing adds to the history, scrubbing replaces.
export function remember(choices, { replace = true, hash = location.hash } = {}) {
  const now = state();
  for (const [name, value] of Object.entries(choices)) value === null || value === "" ? now.delete(name) : now.set(name, value);
  const address = `${location.pathname}${now.size ? `?${now}` : ""}${hash}`;
  if (address !== location.pathname + location.search + location.hash) history[replace ? "replaceState" : "pushState"](null, "", address);
}

export function go(address) {
  history.pushState(null, "", address);
  show();
}

export const netName = () => state().get("net") || nets.first;

export async function netFacts(name = netName()) {
  if (!known.has(name)) known.set(name, await get(`/api/nets/${encodeURIComponent(name)}`));
  return known.get(name);
}

// The address of a view, with the net that is open.
export function to(view, choices = {}) {
  const all = { net: state().get("net"), ...choices };
  const words = new URLSearchParams(Object.entries(all).filter(([, v]) => v !== null && v !== undefined && v !== ""));
  return `/${view}${words.size ? `?${words}` : ""}`;
}

// The answer of a page: a sentence, large, told to screen readers at most once a second.
export function sentence(tools = []) {
  const line = el("h1", {});
  const lead = el("p", { className: "lead" });
  const spoken = el("p", { className: "unseen", role: "status" });
  spoken.setAttribute("aria-live", "polite");
  let timer = null;
  const node = el("div", { className: "answer" }, el("div", {}, line, lead, spoken), el("div", { className: "tools" }, ...tools));
  function say(parts, more = []) {
    line.replaceChildren(...parts);
    lead.replaceChildren(...more);
    document.title = `${line.textContent} glassnet`;
    clearTimeout(timer);
    timer = setTimeout(() => (spoken.textContent = `${line.textContent} ${lead.textContent}`), 1000);
  }
  return { node, say };
}

export const strong = (words) => el("b", { textContent: words });

// Words for whatever went wrong, with what to do; never a trace.
export function told(error) {
  if (error instanceof Refusal) return error.message;
  return "The server doesn\u2019t answer. Is glassnet serve still running?";
}

export function footer(words, keys) {
  const list = keys.map(([names, what]) => el("span", {}, ...names.flatMap((name) => [el("kbd", { textContent: name }), " "]), what));
  openKeys.keys = keys;
  return el("footer", {}, el("span", { textContent: words }), el("span", { className: "keys" }, ...list, el("span", {}, el("kbd", { textContent: "?" }), " all keys")));
}

function openKeys() {
  const box = document.getElementById("keys");
  const every = [...(openKeys.keys || []), [["1", "to", "5"], "the five views"], [["Tab"], "the next thing"], [["?"], "this list"]];
  box.querySelector("dl").replaceChildren(...every.flatMap(([names, what]) => [el("dt", {}, ...names.map((n) => el("kbd", { textContent: n }))), el("dd", { textContent: what })]));
  box.showModal();
}

async function show() {
  const first = isAsked() ? "ask" : "draw";
  const name = location.pathname.slice(1) || first;
  const view = VIEWS[name] ? name : first;
  open?.close?.();
  open = null;
  for (const link of document.querySelectorAll("nav a")) {
    link.href = to(link.dataset.view);
    link.dataset.view === view ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  chooseable();
  document.title = `${VIEWS[view]} glassnet`;
  main.className = `page ${view}`;
  try {
    const module = await import(`./${MODULES[view] || view}.js`);
    if ((location.pathname.slice(1) || first) !== name) return;
    main.replaceChildren();
    if (WHOLE.includes(view) && isAsked()) return forNets(view);
    open = (await module.default(main)) || null;
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    const { node, say } = sentence();
    main.replaceChildren(node);
    say(["This page could not be opened."], [told(error)]);
  }
}

// Whether a net can only be asked: a detector has no single answer for a picture, an exported file shows no net.
const isAsked = () => nets.detectors?.includes(netName()) || isExported(netName());
const isExported = (name) => nets.exported?.includes(name);
export const FILED = "An exported file answers, but its net can’t be looked into. Why it says so is shown where its model’s folder is served.";

function forNets(view) {
  const { node, say } = sentence([el("a", { className: "button", href: to("ask"), textContent: "Ask it" })]);
  main.append(node);
  if (isExported(netName())) return say([`${netName()} is an exported file.`], [`It can be asked. ${VIEWS[view]} is for nets that can be looked into: serve its model’s folder.`]);
  say([`${netName()} finds objects on pictures.`], [`${VIEWS[view]} is for nets that name a whole picture. Ask shows what a detector finds, and why.`]);
}

function chooseable() {
  const names = nets.nets.includes(netName()) ? nets.nets : [...nets.nets, netName()];
  netChoice.replaceChildren(...names.map((name) => el("option", { value: name, textContent: name === "slides" ? "the slides\u2019 net" : nets.detectors?.includes(name) ? `${name} (detector)` : name, selected: name === netName() })));
}

export async function knowNets() {
  nets = await get("/api/nets");
  chooseable();
  return nets;
}

// Light or dark: the style's own rule for dark screens is switched, so there is one list of colours.
function theme() {
  theme.rules ??= [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).filter((rule) => rule instanceof CSSMediaRule && rule.conditionText.includes("prefers-color-scheme"));
  const chosen = localStorage.getItem("theme");
  for (const rule of theme.rules) rule.media.mediaText = !chosen ? "screen and (prefers-color-scheme: dark)" : chosen === "dark" ? "screen" : "not all";
  document.documentElement.style.colorScheme = chosen || "light dark";
  readColours();
}

function repaint() {
  theme();
  open?.repaint?.();
}

netChoice.addEventListener("change", () => go(to(location.pathname.slice(1) || "draw", { net: netChoice.value === nets.first ? null : netChoice.value })));
document.getElementById("link").addEventListener("click", async (event) => {
  await navigator.clipboard.writeText(location.href).catch(() => {});
  event.target.textContent = "Copied";
  setTimeout(() => (event.target.textContent = "Copy link"), 1500);
});
document.getElementById("theme").addEventListener("click", () => {
  const isDark = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim() === "#131417";
  localStorage.setItem("theme", isDark ? "light" : "dark");
  repaint();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.hasAttribute("download") || link.pathname.startsWith("/api")) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "?") openKeys();
  else if ("12345".includes(event.key)) go(to(Object.keys(VIEWS)[event.key - 1]));
});
addEventListener("popstate", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

theme();
knowNets().then(show, show);
