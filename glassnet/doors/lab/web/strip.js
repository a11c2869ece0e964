// The strip of what was asked about: a card each with its answer, and the place where more is dropped.

import { el } from "./colours.js";
import { share } from "./evidence.js";
import { isNone } from "./none.js";

// on: choose(i), add(files), clear(). takes: words for what can be dropped, "" where nothing can.
export function strip({ takes, on }) {
  const list = el("div", { className: "strip-list" });
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "What was asked about");
  const file = el("input", { type: "file", multiple: true, className: "unseen", tabIndex: -1, ariaHidden: "true" });
  const choose = el("button", { type: "button", className: "plain", textContent: "choose", onclick: () => file.click() });
  const clear = el("button", { type: "button", className: "plain", textContent: "Clear", onclick: () => on.clear() });
  const dropped = el("div", { className: "drop" }, el("p", {}, el("span", { textContent: `Drop ${takes}, paste, or` }), " ", choose), file);
  const more = el("p", { className: "facts", hidden: true });
  file.addEventListener("change", () => (on.add([...file.files]), (file.value = "")));

  const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const listeners = {
    dragover(event) {
      if (!hasFiles(event)) return;
      event.preventDefault();
      dropped.classList.add("over");
    },
    dragleave: (event) => event.relatedTarget || dropped.classList.remove("over"),
    drop(event) {
      if (!hasFiles(event)) return;
      event.preventDefault();
      dropped.classList.remove("over");
      on.add([...event.dataTransfer.files]);
    },
    paste(event) {
      const files = [...(event.clipboardData?.files || [])];
      if (files.length) on.add(files);
    },
    keydown(event) {
      if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || event.target.closest?.(".map")) return;
      if (list.children.length < 2) return;
      event.preventDefault();
      on.choose((now + by + list.children.length) % list.children.length);
      if (list.contains(document.activeElement)) list.children[now].focus();
    },
  };
  for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener);
  let now = 0;

  function card(one, i) {
    const thumb = el("span", { className: "thumb" }, ...(one.picture ? [el("img", { src: one.picture, alt: "" })] : [el("i", { textContent: one.data ? one.name.split(".").pop().slice(0, 5) : "“ ”" })]));
    const node = el("button", { type: "button", className: "card", id: `card-${i}`, onclick: () => on.choose(i) }, thumb, el("span", {}, el("b"), el("small")));
    node.setAttribute("role", "tab");
    node.setAttribute("aria-controls", "asked");
    words(node, one);
    return node;
  }

  function words(node, one) {
    const said = one.answer;
    const first = isNone(said) ? "None of these" : one.name;
    const second = one.error ? "can’t be read" : !said ? "waits" : isNone(said) ? one.name : said.words || `${said.class}, ${share(said.score)}`;
    if (one.error) node.title = one.error;
    node.querySelector("b").textContent = first;
    node.querySelector("small").textContent = second;
    node.classList.toggle("bad", !!one.error);
  }

  return {
    node: el("div", { className: "strip" }, list, dropped, more),
    draw(items, chosen) {
      now = chosen;
      list.replaceChildren(...items.map(card));
      list.hidden = !items.length || (items.length === 1 && items[0].isTyped);
      dropped.classList.toggle("large", !items.length);
      if (items.length) dropped.firstChild.append(" ", clear);
      else clear.remove();
      mark(items, chosen);
    },
    update(items, i) {
      if (list.children[i]) list.children[i].replaceWith(card(items[i], i));
      mark(items, now);
    },
    choose(items, i) {
      now = i;
      mark(items, i);
    },
    close: () => Object.entries(listeners).forEach(([name, listener]) => removeEventListener(name, listener)),
  };

  function mark(items, chosen) {
    [...list.children].forEach((node, i) => {
      node.setAttribute("aria-selected", i === chosen);
      node.tabIndex = i === chosen ? 0 : -1;
    });
    list.children[chosen]?.scrollIntoView({ block: "nearest", inline: "nearest" });
    const waiting = items.filter((one) => !one.answer && !one.error).length;
    more.hidden = !waiting || items.length < 5;
    more.textContent = `${items.length - waiting} of ${items.length} answered`;
  }
}
