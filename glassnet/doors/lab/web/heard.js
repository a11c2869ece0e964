// A sound as the net hears it: waveform, spectrogram, votes by band and by moment, and the pieces that spoke.

import { decode, Refusal } from "./api.js";
import { css, el, inkColour, unpack } from "./colours.js";
import { placesOf, share, voteTable } from "./evidence.js";
import { bars } from "./plots.js";

const PIECES = 3; // that are named A, B, C
const LISTED = 4;

// ask(pieces): the same sound with only these pieces left, from the server. told(error): words for it.
export function heard(why, { ask, told }) {
  const [bands, moments] = why.shape.slice(1);
  const { begins_s: begins, lasts_s: lasts, of } = why.part || { begins_s: 0, lasts_s: 0, of: 1 };
  const found = placesOf(why);
  const named = found ? found.cells.filter((one) => one.vote > 0).slice(0, PIECES) : [];
  const spectrogram = el("canvas", { className: "spectrogram" });
  spectrogram.setAttribute("role", "img");
  spectrogram.setAttribute("aria-label", `Spectrogram of ${why.input}: ${bands} bands by ${moments} moments`);
  const wave = el("canvas", { className: "wave" });
  wave.setAttribute("aria-hidden", "true");
  const head = el("i", { className: "playhead", hidden: true });
  const outline = el("i", { className: "piece pointed", hidden: true });
  const note = el("p", { className: "facts", role: "status" });
  const play = el("button", { type: "button", className: "play", ariaLabel: "Play", onclick: () => toggle() });
  const audio = why.sound ? new Audio(why.sound) : null;
  play.hidden = !audio;

  const boxes = named.map((one, i) => place(el("i", { className: "piece" }, el("b", { textContent: "ABC"[i] })), one.spans));
  function place(node, [[b0, b1], [m0, m1]]) {
    for (const [side, v] of Object.entries({ top: b0 / bands, height: (b1 - b0) / bands, left: m0 / moments, width: (m1 - m0) / moments })) node.style[side] = `${100 * v}%`;
    return node;
  }

  function draw() {
    const values = unpack(why.x);
    [spectrogram.width, spectrogram.height] = [moments, bands];
    const pen = spectrogram.getContext("2d");
    const image = pen.createImageData(moments, bands);
    values.forEach((v, i) => image.data.set([...inkColour(Math.max(0, (v / 255 - 0.35) / 0.65)), 255], 4 * i));
    pen.putImageData(image, 0, 0);
    drawWave();
    margins();
  }

  function drawWave() {
    const samples = samplesOf(why.sound);
    [wave.width, wave.height] = [600, 64];
    const pen = wave.getContext("2d");
    pen.fillStyle = css(inkColour(0.65));
    if (!samples) return;
    const { rate, values } = samples;
    for (let x = 0; x < wave.width; x += 3) {
      const [from, to] = [x, x + 3].map((at) => Math.floor((begins + (lasts * at) / wave.width) * rate));
      let most = 0;
      for (let i = from; i < Math.min(to, values.length); i++) most = Math.max(most, Math.abs(values[i]));
      pen.fillRect(x, 32 - (30 * most) / 32768, 2, Math.max(1, (60 * most) / 32768));
    }
  }

  const byBand = el("div", { className: "by-band" });
  const byMoment = el("div", { className: "by-moment" });
  const bandWords = el("p", { className: "facts band-words" });
  const momentWords = el("p", { className: "facts moment-words" });
  function margins() {
    const heat = why.voted || why.occluded;
    if (!heat) return;
    const values = unpack(heat.values);
    const [rows, columns] = heat.shape;
    const sum = (n, at) => Array.from({ length: n }, (_, i) => at(i).reduce((a, b) => a + b, 0));
    const perBand = sum(rows, (r) => [...values.slice(r * columns, (r + 1) * columns)]);
    const perMoment = sum(columns, (c) => Array.from({ length: rows }, (_, r) => values[r * columns + c]));
    const scale = why.voted ? [1, 1] : [1 / columns, 1 / rows];
    byBand.replaceChildren(bars(perBand.map((v) => v * scale[0]), { upright: true, name: "by band" }));
    byMoment.replaceChildren(bars(perMoment.map((v) => v * scale[1]), { name: "by moment" }));
    bandWords.textContent = why.voted ? "votes by band" : "loss by band";
    momentWords.textContent = why.voted ? "votes by moment" : "loss by moment";
  }

  const hertz = (words) => Number(words.replace(/[^\d.]/g, ""));
  const marks = [250, 500, 1000, 2000, 4000, 8000].filter((hz) => hz < hertz(why.axes[0].at[0]) * 1.06 && hz > hertz(why.axes[0].at.at(-1)));
  const pitches = el("div", { className: "pitches", ariaHidden: "true" }, el("span", { className: "unit", textContent: "kHz" }), ...marks.map((hz) => {
    const at = why.axes[0].at.findIndex((words) => hertz(words) <= hz);
    const one = el("span", { textContent: String(hz / 1000) });
    one.style.top = `${(100 * (at < 0 ? bands : at)) / bands}%`;
    return one;
  }));
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2].find((s) => lasts / s <= 8) || 5;
  const times = el("div", { className: "times", ariaHidden: "true" }, ...Array.from({ length: Math.floor(lasts / step) + 1 }, (_, i) => {
    const one = el("span", { textContent: i ? (begins + i * step).toFixed(step < 0.1 ? 2 : 1) : `${begins ? begins.toFixed(2) : 0} s` });
    one.style.left = `${(100 * i * step) / lasts}%`;
    return one;
  }));

  function inHertz([from, to]) {
    const [low, high] = [why.axes[0].at[Math.min(to, bands) - 1], why.axes[0].at[from]].map(hertz);
    const words = (hz) => (hz >= 1000 ? `${(hz / 1000).toFixed(1).replace(".0", "")} kHz` : `${Math.round(hz / 10) * 10} Hz`);
    return `${words(low)} to ${words(high)}`;
  }
  const inSeconds = ([from, to]) => `${((from * lasts) / moments + begins).toFixed(2)} to ${((to * lasts) / moments + begins).toFixed(2)} s`;

  function table() {
    if (!found) return [];
    const strongest = [...found.cells].sort((a, b) => Math.abs(b.vote) - Math.abs(a.vote));
    const listed = [...named, ...strongest.filter((one) => !named.includes(one))].slice(0, Math.max(LISTED, named.length));
    const others = found.cells.length - listed.length;
    return [
      voteTable({
        title: "Where it heard it",
        aside: `places of the last maps, ${found.shape.join(" × ")}`,
        head: "",
        rows: listed.map((one) => ({
          mark: named.includes(one) ? el("b", { className: "letter-mark", textContent: "ABC"[named.indexOf(one)] }) : null,
          words: inHertz(one.spans[0]),
          facts: inSeconds(one.spans[1]),
          vote: one.vote,
          point: (on) => point(on ? one.spans : null),
        })),
        rest: `${others} weaker ${others === 1 ? "place" : "places"} and the bias`,
        name: why.class,
        logit: why.votes[why.class].logit,
      }),
      ...(audio && named.length ? [el("div", { className: "listen" }, listen(`only ${"ABC".slice(0, named.length).split("").join(", ").replace(/, (\w)$/, " and $1")}`, named), listen("all but A", found.cells.filter((one) => one !== named[0])), note)] : []),
    ];
  }

  function listen(words, cells) {
    const one = el("button", { type: "button", textContent: `▶ ${words}` });
    one.addEventListener("click", async () => {
      try {
        const { sound, prediction } = await ask(cells.map(({ spans: [b, m] }) => `${b[0]}-${b[1]}:${m[0]}-${m[1]}`).join());
        note.textContent = `Given ${words}, it says ${prediction.class}, ${share(prediction.score)}.`;
        start(new Audio(sound));
      } catch (error) {
        note.textContent = error instanceof Refusal ? error.message : told(error);
      }
    });
    return one;
  }

  let playing = null;
  function start(one) {
    stop();
    playing = one;
    one.currentTime = begins;
    one.play().catch(() => {});
    play.classList.add("on");
    play.setAttribute("aria-label", "Stop");
    const follow = () => {
      if (playing !== one) return;
      const at = one.currentTime - begins;
      if (one.ended || at >= lasts) return stop();
      head.hidden = false;
      head.style.left = `${(100 * Math.max(0, at)) / lasts}%`;
      requestAnimationFrame(follow);
    };
    follow();
  }
  function stop() {
    playing?.pause();
    playing = null;
    head.hidden = true;
    play.classList.remove("on");
    play.setAttribute("aria-label", "Play");
  }
  const toggle = () => (playing ? stop() : audio && start(audio));

  function point(spans) {
    outline.hidden = !spans;
    if (spans) place(outline, spans);
  }

  draw();
  const more = of > 1 ? ` Its loudest part is shown, from ${begins.toFixed(2)} s on; the answer is the mean of ${of} parts.` : "";
  return {
    node: el("figure", { className: "heard" }, play, wave, pitches, el("div", { className: "field" }, spectrogram, ...boxes, outline, head), byBand, bandWords, byMoment, momentWords, times, el("figcaption", {}, el("p", { className: "facts", textContent: `${why.voted ? `Votes for ${why.class} by the place in the last maps that cast them: warm for, cool against.` : ""}${more}` }))),
    draw,
    point,
    table,
    toggle,
    close: stop,
  };
}

// A WAV of 16 bits, mono, as numbers.
function samplesOf(address) {
  if (!address) return null;
  const bytes = decode(address.split(",")[1]);
  const view = new DataView(bytes.buffer);
  for (let at = 12; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true)) {
    if (view.getUint32(at) === 0x64617461) return { rate: view.getUint32(24, true), values: new Int16Array(bytes.buffer.slice(at + 8, at + 8 + view.getUint32(at + 4, true))) };
  }
  return null;
}

