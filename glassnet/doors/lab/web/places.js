// An input with places, as it looks: pictures and volumes, with the votes over it, and what a value saw outlined.

import { css, el, signed, token, unpack, valueColour } from "./colours.js";

const [FAINT, FULL] = [0.12, 0.8]; // share of a value's colour over the input, of none and of the largest
const VIEWS = { input: "as it is", votes: "votes by place", covered: "covered piece by piece" };

// why: an explanation. on.view(name): a person chose what lies over the input.
export function places(why, view, on) {
  const canvas = el("canvas", { className: "asked-input" });
  canvas.setAttribute("role", "img");
  const key = el("p", { className: "facts" });
  const tabs = el("div", { className: "choices" });
  const image = new Image();
  const [height, width] = why.pictured;
  let saw = null;
  const heats = () => ({ votes: why.voted, covered: why.occluded });

  function draw() {
    const side = canvas.parentElement?.clientWidth || 400;
    const across = Math.min(side, 560, (520 * width) / height);
    canvas.style.width = `${across}px`;
    canvas.style.height = `${(across * height) / width}px`;
    [canvas.width, canvas.height] = [Math.round(across * devicePixelRatio), Math.round(((across * height) / width) * devicePixelRatio)];
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = Math.max(width, height) > 48 && why.kind !== "volumes";
    if (image.complete && image.naturalWidth) pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    const heat = heats()[view];
    if (heat) over(pen, heat);
    if (saw) outline(pen, saw);
    tell(heat);
  }

  // Every slice of a volume lies in its own tile; a picture is one.
  function* tiles() {
    const sizes = [1, ...why.shape.slice(1)].slice(-3);
    const across = Math.ceil(Math.sqrt(sizes[0]));
    const rows = Math.ceil(sizes[0] / across);
    const [w, h] = [canvas.width / across, canvas.height / rows];
    for (let i = 0; i < sizes[0]; i++) yield { i, of: sizes, x: (i % across) * w, y: Math.floor(i / across) * h, w, h };
  }

  function over(pen, heat) {
    const values = unpack(heat.values);
    const most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-12);
    const [d, h, w] = [1, ...heat.shape].slice(-3);
    for (const tile of tiles()) {
      const slice = Math.min(d - 1, Math.floor((tile.i * d) / tile.of[0]));
      for (let r = 0; r < h; r++)
        for (let c = 0; c < w; c++) {
          const edges = [tile.x + (c * tile.w) / w, tile.y + (r * tile.h) / h, tile.x + ((c + 1) * tile.w) / w, tile.y + ((r + 1) * tile.h) / h].map(Math.round);
          const v = values[(slice * h + r) * w + c] / most;
          pen.globalAlpha = FAINT + (FULL - FAINT) * Math.sqrt(Math.abs(v));
          pen.fillStyle = css(valueColour(v));
          pen.fillRect(edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1]);
        }
    }
    pen.globalAlpha = 1;
  }

  function outline(pen, spans) {
    const [slices, rows, columns] = [[0, 1], ...spans].slice(-3);
    for (const tile of tiles()) {
      if (tile.i < slices[0] || tile.i >= slices[1]) continue;
      const box = [tile.x + (columns[0] * tile.w) / tile.of[2], tile.y + (rows[0] * tile.h) / tile.of[1], ((columns[1] - columns[0]) * tile.w) / tile.of[2], ((rows[1] - rows[0]) * tile.h) / tile.of[1]];
      const thick = Math.max(2, 2.5 * devicePixelRatio * (tile.of[0] > 1 ? 0.5 : 1));
      for (const [name, by] of [["--paper", 2.2], ["--accent", 1]]) {
        [pen.strokeStyle, pen.lineWidth] = [token(name), thick * by];
        pen.strokeRect(...box);
      }
    }
  }

  function tell(heat) {
    const values = heat && unpack(heat.values);
    const [low, high] = heat ? [Math.min(...values), Math.max(...values)] : [0, 0];
    const name = why.class;
    const said = {
      input: `The ${why.noun} as the net is shown it, ${why.shape.slice(1).join(" × ")}.`,
      votes: heat && `Votes for ${name} by the place in the last maps that cast them, ${signed(low)} to ${signed(high)}: warm for, cool against.`,
      covered: heat ? `Warm where ${name} loses votes when that piece is covered: up to ${signed(high)}.` : "Pieces are being covered, one after the other.",
    }[view];
    key.textContent = said || "The values that vote have lost their places in this net.";
    canvas.setAttribute("aria-label", `${why.input}. ${key.textContent}`);
  }

  function offer() {
    tabs.replaceChildren(
      ...Object.entries(VIEWS)
        .filter(([name]) => name !== "votes" || why.voted)
        .map(([name, text]) => {
          const one = el("button", { type: "button", textContent: text, onclick: () => ((view = name), on.view(name), offer(), draw()) });
          one.setAttribute("aria-pressed", name === view);
          return one;
        }),
    );
  }

  // What a value saw of it, cut out.
  function patch(spans) {
    if (why.shape.length !== 3) return null;
    const [[r0, r1], [c0, c1]] = spans;
    const small = el("canvas", { width: 80, height: 80, className: "patch" });
    small.setAttribute("aria-hidden", "true");
    const cut = () => {
      const pen = small.getContext("2d");
      const scale = [width / why.shape[2], height / why.shape[1]];
      const side = Math.max(r1 - r0, c1 - c0);
      const [w, h] = [(80 * (c1 - c0)) / side, (80 * (r1 - r0)) / side];
      pen.imageSmoothingEnabled = Math.max(width, height) > 48;
      pen.drawImage(image, c0 * scale[0], r0 * scale[1], (c1 - c0) * scale[0], (r1 - r0) * scale[1], (80 - w) / 2, (80 - h) / 2, w, h);
    };
    image.complete && image.naturalWidth ? cut() : image.addEventListener("load", cut);
    return small;
  }

  image.addEventListener("load", draw);
  image.src = why.picture;
  offer();
  return {
    node: el("figure", { className: "seen" }, tabs, canvas, el("figcaption", {}, key)),
    draw,
    patch,
    point: (spans) => ((saw = spans), draw()),
  };
}
