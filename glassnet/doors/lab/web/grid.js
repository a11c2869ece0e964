// A map as cells that can be pointed at, walked by keys and read: real text up to 12 a side, a canvas beyond.

import { css, el, textOn } from "./colours.js";

const SVG = "http://www.w3.org/2000/svg";
const SMALL = 12;
const svg = (tag, props = {}) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  return node;
};

// rows, columns: of the map. label: its name. words(r, c): what a cell says. colour(r, c): its [r, g, b].
// number(r, c): its figure, "" for none. side: pixels of the longer side. on: point(r, c) or point(), open(r, c), key(event, r, c).
export function grid({ rows, columns, label, side, words, colour, number = () => "", on = {} }) {
  const cell = side / Math.max(rows, columns);
  const isSmall = Math.max(rows, columns) <= SMALL;
  const node = el("div", { className: "map" });
  node.style.width = `${cell * columns}px`;
  node.style.aspectRatio = `${columns} / ${rows}`;
  let at = [0, 0];
  let marks = [];
  const draw = isSmall ? cells() : pixels();

  const place = (event) => {
    const box = node.getBoundingClientRect();
    const [r, c] = [Math.floor(((event.clientY - box.top) / box.height) * rows), Math.floor(((event.clientX - box.left) / box.width) * columns)];
    return r >= 0 && c >= 0 && r < rows && c < columns ? [r, c] : null;
  };
  node.addEventListener("pointermove", (event) => {
    const found = place(event);
    if (found) on.point?.(...found, event);
  });
  node.addEventListener("pointerleave", () => on.point?.());
  node.addEventListener("pointerdown", (event) => {
    const found = place(event);
    if (found) on.press?.(...found, event);
  });
  node.addEventListener("click", (event) => {
    const found = place(event);
    if (found) on.open?.(...found);
  });
  node.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (by) {
      at = [Math.min(rows - 1, Math.max(0, at[0] + by[0])), Math.min(columns - 1, Math.max(0, at[1] + by[1]))];
      draw.walk();
      on.point?.(...at, event);
    } else if (event.key === "Enter") on.open?.(...at);
    else if (event.key === " " && on.flip) on.flip(...at);
    else return;
    event.preventDefault();
  });
  node.addEventListener("focusout", (event) => node.contains(event.relatedTarget) || on.point?.());

  function cells() {
    const picture = svg("svg", { viewBox: `0 0 ${columns * 10} ${rows * 10}`, role: "grid", "aria-label": label });
    const every = [];
    for (let r = 0; r < rows; r++) {
      const row = svg("g", { role: "row" });
      for (let c = 0; c < columns; c++) {
        const one = svg("g", { role: "gridcell", tabindex: r + c ? -1 : 0 });
        const square = svg("rect", { x: c * 10 + 0.15, y: r * 10 + 0.15, width: 9.7, height: 9.7 });
        const text = svg("text", { x: c * 10 + 5, y: r * 10 + 5 });
        one.append(square, text);
        one.addEventListener("focus", () => ((at = [r, c]), on.point?.(r, c)));
        row.append(one);
        every.push({ r, c, one, square, text });
      }
      picture.append(row);
    }
    const over = svg("g", { "aria-hidden": "true" });
    picture.append(over);
    node.append(picture);
    return {
      paint() {
        for (const { r, c, one, square, text } of every) {
          const tone = colour(r, c);
          square.setAttribute("fill", css(tone));
          const figure = number(r, c);
          if (text.textContent !== figure) text.textContent = figure;
          if (figure) text.style.fill = textOn(tone);
          one.setAttribute("aria-label", words(r, c));
        }
        this.mark();
      },
      mark() {
        over.replaceChildren(...marks.flatMap(([r0, c0, r1, c1]) => ["halo", "mark"].map((kind) => svg("rect", { class: kind, x: c0 * 10, y: r0 * 10, width: (c1 - c0) * 10, height: (r1 - r0) * 10 }))));
      },
      walk() {
        for (const { r, c, one } of every) one.setAttribute("tabindex", r === at[0] && c === at[1] ? 0 : -1);
        every[at[0] * columns + at[1]].one.focus();
      },
    };
  }

  function pixels() {
    const scale = Math.max(1, Math.ceil(cell * devicePixelRatio));
    const canvas = el("canvas", { width: columns * scale, height: rows * scale, tabIndex: 0 });
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "map");
    canvas.setAttribute("aria-label", label);
    node.append(canvas);
    return {
      paint() {
        const pen = canvas.getContext("2d");
        for (let r = 0; r < rows; r++)
          for (let c = 0; c < columns; c++) {
            pen.fillStyle = css(colour(r, c));
            pen.fillRect(c * scale, r * scale, scale, scale);
          }
        const thick = Math.max(2, scale * rows * 0.012);
        const style = getComputedStyle(document.documentElement);
        for (const [name, width] of [["--paper", thick * 2.2], ["--accent", thick]])
          for (const [r0, c0, r1, c1] of marks) {
            [pen.strokeStyle, pen.lineWidth] = [style.getPropertyValue(name), width];
            pen.strokeRect(c0 * scale, r0 * scale, (c1 - c0) * scale, (r1 - r0) * scale);
          }
      },
      mark() {
        this.paint();
      },
      walk() {
        canvas.setAttribute("aria-label", `${label}, ${words(...at)}`);
      },
    };
  }

  return {
    node,
    rows,
    columns,
    paint: () => draw.paint(),
    // Boxes [row, column, beyond row, beyond column] that are outlined.
    mark(boxes) {
      marks = boxes;
      draw.mark();
    },
    // Both at once: new values, and what is outlined among them.
    show(boxes) {
      marks = boxes;
      draw.paint();
    },
    // Where a place's middle is on the page.
    middle(r, c, across = 0.5) {
      const box = node.getBoundingClientRect();
      return [box.left + ((c + across) / columns) * box.width, box.top + ((r + 0.5) / rows) * box.height];
    },
  };
}
